"""What happened to sessions: the values that a manager's `on_event` is called with."""

from .core.events import (
    Adopted,
    Ended,
    Event,
    KeyRegistered,
    LoggedIn,
    Merged,
    RefreshSkipped,
    Rotated,
    RotationStalled,
    SessionCreated,
    TokenReused,
    UnknownToken,
    UnprovedToken,
)

__all__ = [
    "Adopted",
    "Ended",
    "Event",
    "KeyRegistered",
    "LoggedIn",
    "Merged",
    "RefreshSkipped",
    "Rotated",
    "RotationStalled",
    "SessionCreated",
    "TokenReused",
    "UnknownToken",
    "UnprovedToken",
]
