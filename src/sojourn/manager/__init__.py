"""The managers: they join a Policy and a store, and alone call the store."""

from .context import Clock, OnEvent
from .manager import AsyncSessionManager, SessionManager, milliseconds

__all__ = ["AsyncSessionManager", "Clock", "OnEvent", "SessionManager", "milliseconds"]
