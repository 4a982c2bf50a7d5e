-- What a release and its tables are made with.
create function catalog.without_address(said text) returns text
language sql immutable parallel safe
return case
    when strpos(said, '@') = 0 or said !~* '[[:alnum:]._%+-]+@[[:alnum:].-]+\.[[:alpha:]]{2,}' then said
end;
comment on function catalog.without_address is 'Text that may be published; null if it holds an e-mail address.';

create function catalog.pairs(object jsonb) returns jsonb
language sql immutable parallel safe
return (
    select coalesce(jsonb_agg(jsonb_build_object('key', entry.key, 'value', entry.value) order by entry.key collate "C"), '[]')
    from jsonb_each(object) as entry
);
comment on function catalog.pairs is 'An object as a list of {key, value}, by key: what readers of tables call a map.';
