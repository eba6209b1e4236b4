"""The races fired at a running web application, through its own endpoints."""

from .application import Application
from .endpoint import Endpoint
from .races import APP_RACES, AppRace, fire, rehearse
from .visitor import Site

__all__ = ["APP_RACES", "AppRace", "Application", "Endpoint", "Site", "fire", "rehearse"]
