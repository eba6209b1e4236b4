"""The races fired at a running web application, through its own endpoints."""

from .app_races import APP_RACES, check_endpoints, run_app_race
from .attempts import (
    made_up_browser,
    old_cookie_opens,
    planted_cookie_opens,
    session_cookies,
    slow_write_revives,
    stranger,
    written_at_once,
)
from .browser import AppAnswer, Browser, Site
from .endpoint import AppEndpoint
from .web_application import Application, AppRaceContext, AppRequest, described

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
    "made_up_browser",
    "old_cookie_opens",
    "planted_cookie_opens",
    "run_app_race",
    "session_cookies",
    "slow_write_revives",
    "stranger",
    "written_at_once",
]
