"""What happened to sessions: the values that a manager's `on_event` is called with."""

from .core.events import (
    Adopted,
    CleanedUp,
    Ended,
    Event,
    KeyRegistered,
    LoggedIn,
    Merged,
    RefreshSkipped,
    RevokedAll,
    Rotated,
    RotationStalled,
    SessionCreated,
    TokenReused,
    UnknownToken,
    UnprovedToken,
)

__all__ = [
    "Adopted",
    "CleanedUp",
    "Ended",
    "Event",
    "KeyRegistered",
    "LoggedIn",
    "Merged",
    "RefreshSkipped",
    "RevokedAll",
    "Rotated",
    "RotationStalled",
    "SessionCreated",
    "TokenReused",
    "UnknownToken",
    "UnprovedToken",
]
