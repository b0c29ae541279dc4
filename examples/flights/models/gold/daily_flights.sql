select day, carrier, count(*) as flights, count(*) filter (where cancelled) as cancelled
from silver.flights
group by day, carrier
