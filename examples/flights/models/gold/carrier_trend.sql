/* shoal
description: Each carrier's week, and how it compares with the four weeks before.
*/
with weekly as (
    select carrier, date_trunc('week', day)::date as week, count(*) as flights, avg(dep_delay) as delay
    from silver.flights
    where not cancelled
    group by all
)
select
    carrier, week, flights, delay,
    avg(delay) over (partition by carrier order by week rows between 4 preceding and 1 preceding) as delay_before
from weekly
