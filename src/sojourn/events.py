"""What happened to sessions: the values that a manager's `on_event` is called with."""

from .core.events import (
    Adopted,
    Ended,
    Event,
    LoggedIn,
    Merged,
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
    "LoggedIn",
    "Merged",
    "Rotated",
    "RotationStalled",
    "SessionCreated",
    "TokenReused",
    "UnknownToken",
    "UnprovedToken",
]
