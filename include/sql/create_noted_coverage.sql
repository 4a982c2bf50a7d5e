-- What changed as it was when it was counted: of each thing the first that was noted.
create temporary table noted on commit drop as
select distinct on (kind, id) *
from catalog.coverage_change
order by kind asc, id asc, change_id asc
