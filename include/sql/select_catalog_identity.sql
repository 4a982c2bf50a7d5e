-- Which catalog this is, among all servers.
select system_identifier || '/' || current_database() as identity
from pg_control_system()
