/* shoal
description: Hourly weather at the three airports of New York City, as delivered.
*/
select * from raw.weather
