"""The races fired at a running web application, through its own endpoints."""

from .application import Application, AppRaceContext, AppRequest, described
from .browser import AppAnswer, Browser, Site
from .endpoint import AppEndpoint
from .races import APP_RACES, check_endpoints, made_up, run_app_race

__all__ = [
    "APP_RACES",
    "AppAnswer",
    "AppEndpoint",
    "AppRaceContext",
    "AppRequest",
    "Application",
    "Browser",
    "Site",
    "check_endpoints",
    "described",
    "made_up",
    "run_app_race",
]
