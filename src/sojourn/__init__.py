"""Sojourn: server-side web sessions that lose nothing and end when they end."""

from .core.cookie import CookieOptions
from .core.errors import (
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
    UnreadableRecord,
)
from .core.events import Event
from .core.info import SessionInfo
from .core.policy import Lifetime, Policy
from .core.problem import Problem, problem_of
from .core.record import Client
from .core.session import Session
from .manager import AsyncSessionManager, SessionManager
from .stores.store_url import open_async_store, open_store

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
    "Problem",
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
    "UnreadableRecord",
    "open_async_store",
    "open_store",
    "problem_of",
]
