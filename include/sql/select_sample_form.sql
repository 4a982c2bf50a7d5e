-- What a sample hangs on beside the rows it is made of: the schema, this server, and this database among all others,
-- in which alone the numbers of row versions mean anything.
select
    concat_ws(
        ' ', control.system_identifier, pg_database.oid, current_setting('server_version'),
        (select string_agg(migration.name, ' ' order by migration.name) from catalog.migration)
    ) as form
from pg_control_system() as control
inner join pg_database on pg_database.datname = current_database()
