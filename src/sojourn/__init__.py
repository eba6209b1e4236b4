"""Sojourn: server-side web sessions that lose nothing and end when they end."""

from .cookie import CookieOptions
from .errors import (
    ConfigurationError,
    DataTooLarge,
    EndReason,
    InvalidData,
    LoginRequired,
    ReauthenticationRequired,
    SessionCommitted,
    SessionConflict,
    SessionEnded,
    SessionExists,
    SessionLimitReached,
    SojournError,
    StoreUnavailable,
)
from .events import Event
from .info import SessionInfo
from .manager import AsyncSessionManager, SessionManager
from .open_store import open_async_store, open_store
from .policy import Lifetime, Policy
from .record import Client
from .session import Session

__version__ = "0.1.0"

__all__ = [
    "AsyncSessionManager",
    "Client",
    "ConfigurationError",
    "CookieOptions",
    "DataTooLarge",
    "EndReason",
    "Event",
    "InvalidData",
    "Lifetime",
    "LoginRequired",
    "Policy",
    "ReauthenticationRequired",
    "Session",
    "SessionCommitted",
    "SessionConflict",
    "SessionEnded",
    "SessionExists",
    "SessionInfo",
    "SessionLimitReached",
    "SessionManager",
    "SojournError",
    "StoreUnavailable",
    "open_async_store",
    "open_store",
]
