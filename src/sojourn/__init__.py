"""Sojourn: server-side web sessions that lose nothing and end when they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .core.cookie import CookieOptions
from .core.errors import (
    ConfigurationError,
    DataTooLarge,
    EndReason,
    InvalidData,
    LoginRequired,
    ProofRefused,
    ReauthenticationRequired,
    SessionCommitted,
    SessionConflict,
    SessionEnded,
    SessionExists,
    SessionLimitReached,
    SessionRefused,
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
from .exports import late_exports
from .manager import AsyncSessionManager, SessionManager

if TYPE_CHECKING:
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
    "ProofRefused",
    "ReauthenticationRequired",
    "Session",
    "SessionCommitted",
    "SessionConflict",
    "SessionEnded",
    "SessionExists",
    "SessionInfo",
    "SessionLimitReached",
    "SessionManager",
    "SessionRefused",
    "SojournError",
    "StoreUnavailable",
    "UnreadableRecord",
    "open_async_store",
    "open_store",
    "problem_of",
]

# Who imports a store by its name needs no URL.
__getattr__ = late_exports(__name__, {"open_async_store": "stores.store_url", "open_store": "stores.store_url"})
