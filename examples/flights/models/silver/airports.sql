select faa, name, lat, lon, alt
from bronze.airports
