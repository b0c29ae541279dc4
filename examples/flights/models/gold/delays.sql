/* shoal
description: How late each carrier leaves, by month.
expect:
  - unique: [carrier, month]
*/
select
    carrier,
    month,
    count(*) as flights,
    avg(dep_delay) as delay,
    sum(is_late(dep_delay)::int) as late
from silver.flights
where not cancelled
group by carrier, month
