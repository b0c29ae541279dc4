/* shoal
description: Every flight that left New York City in 2013, as delivered.
expect:
  - rows: '> 300000'
  - not_null: [carrier, flight, origin, dest]
*/
select * from raw.flights
