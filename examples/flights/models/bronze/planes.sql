select * from raw.planes
