-- The twenty routes whose carriers are late most. Decimals, since a sum of floats depends on the order of rows.
select f.origin, f.dest, f.carrier, count(*) as flights, avg(d.delay::decimal(18, 6)) as carrier_delay
from silver.flights f
join gold.delays d on d.carrier = f.carrier and d.month = f.month
group by all
having count(*) >= 100
order by carrier_delay desc, flights desc, f.origin, f.dest, f.carrier
limit 20
