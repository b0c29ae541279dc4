select origin, make_date(year, month, day) as day, hour, temp, wind_speed, precip, visib
from bronze.weather
qualify row_number() over (partition by origin, year, month, day, hour order by time_hour, temp) = 1
