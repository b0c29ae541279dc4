select * from raw.airports
