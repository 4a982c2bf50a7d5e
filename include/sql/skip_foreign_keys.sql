-- Until the end of the transaction, foreign keys are not looked up again for each row, where the role may ask for
-- that: as pg_restore's --disable-triggers. Only for rows that a join has just found their key for.
select set_config('session_replication_role', 'replica', true)
where has_parameter_privilege('session_replication_role', 'set')
