"""The managers: they join a Policy and a store, and alone call the store."""

from .async_manager import AsyncSessionManager, milliseconds
from .context import Clock, OnEvent
from .device import device_label
from .manager import SessionManager

__all__ = ["AsyncSessionManager", "Clock", "OnEvent", "SessionManager", "device_label", "milliseconds"]
