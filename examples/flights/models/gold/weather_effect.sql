/* shoal
description: Delay against wind and rain at the hour of departure.
*/
select
    f.origin,
    round(w.wind_speed / 5) * 5 as wind,
    w.precip > 0 as rain,
    count(*) as flights,
    avg(f.dep_delay) as delay
from silver.flights f
join silver.weather w using (origin, day, hour)
where f.dep_delay is not null
group by all
