/* shoal
expect:
  - unique: tailnum
*/
select tailnum, year as built, manufacturer, model, engines, seats, engine
from bronze.planes
