"""The page that the plugin serves. Not imported by Airflow's plugin loader: see plugins/.airflowignore."""
