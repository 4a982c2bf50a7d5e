"""Airflow's navigation gets one entry more: "Open Empathic", the data set at a glance.

Every Airflow process imports this file, tasks included, so it imports next to nothing: the page and FastAPI are
loaded when the api-server asks for `fastapi_apps`.
"""

import logging
from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

log = logging.getLogger(__name__)

ROUTE = "open-empathic"


class OpenEmpathicPlugin(AirflowPlugin):
    """The page and the way to it."""

    name = "open_empathic"
    # Without a slash in front: relative to the UI's <base>, whatever path a proxy puts Airflow under.
    external_views = [  # noqa: RUF012  Airflow reads, and prunes, a list of the class
        {
            "name": "Open Empathic",
            "destination": "nav",
            "nav_top_level": True,
            "url_route": ROUTE,
            "href": f"{ROUTE}/",
            "icon": f"{ROUTE}/icon.svg",  # its colours stand on light, on dark and on the selected entry
        }
    ]

    @cached_property
    def fastapi_apps(self) -> list[dict[str, Any]]:
        """The page's app; none, and an error in the log, if it can't be built: the rest of the UI must come up."""
        try:
            from open_empathic.page import make_app

            app = make_app()
        except Exception:
            log.exception("the Open Empathic page could not be built and is missing")
            return []
        return [{"name": "Open Empathic", "url_prefix": f"/{ROUTE}", "app": app}]
