select p.manufacturer, p.built, count(distinct p.tailnum) as planes, count(*) as flights, avg(f.distance) as distance
from silver.flights f
join silver.planes p using (tailnum)
group by all
