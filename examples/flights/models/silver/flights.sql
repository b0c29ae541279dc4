/* shoal
description: One row a flight, with its date and its names; cancelled flights have no departure.
partition_by: [month]
expect:
  - "month between 1 and 12"
  - {not_null: tailnum, severity: warn}
columns:
  cancelled: true when the flight never left
*/
select
    make_date(f.year, f.month, f.day) as day,
    f.month,
    f.carrier,
    a.name as airline,
    f.flight,
    f.tailnum,
    f.origin,
    f.dest,
    clock_hour(f.sched_dep_time) as hour,
    f.dep_delay,
    f.arr_delay,
    f.distance,
    f.air_time,
    f.dep_time is null as cancelled
from bronze.flights f
left join bronze.airlines a using (carrier)
