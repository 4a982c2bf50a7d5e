-- One worker at a time compares and adds, so that of two re-uploads at once one is seen by the other.
select pg_advisory_xact_lock(hashtextextended('open_empathic_fingerprint', 0))
