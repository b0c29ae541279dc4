select * from raw.airlines
