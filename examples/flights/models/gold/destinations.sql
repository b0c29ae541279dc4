select a.faa, a.name, a.lat, a.lon, count(*) as flights, sum(f.distance) as miles
from silver.flights f
join silver.airports a on a.faa = f.dest
group by all
