-- Whether everything is to be counted again: something was not noted one by one, or so much was that it costs less.
select bool_or(kind = 'everything') or catalog.is_too_much_to_note(count(*)) as is_everything
from catalog.coverage_change
