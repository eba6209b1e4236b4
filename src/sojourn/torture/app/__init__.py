"""The races fired at a running web application, through its own endpoints."""

from .application import Application
from .browser import Site
from .endpoint import AppEndpoint
from .races import APP_RACES, check_endpoints, run_app_race

__all__ = ["APP_RACES", "AppEndpoint", "Application", "Site", "check_endpoints", "run_app_race"]
