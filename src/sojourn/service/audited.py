"""The service's audit trail: its file, as the settings have it, and what it tells of the service itself."""

from __future__ import annotations

import dataclasses

from sojourn.audit import AuditFile
from sojourn.audit.entry import entry_of
from sojourn.audit.operator import operator
from sojourn.core.events import Event
from sojourn.manager import OnEvent

from .acting_key import acting_key
from .log import tell
from .settings import ServiceSettings

__all__ = ["listener", "note_start"]


def listener(settings: ServiceSettings) -> OnEvent:
    """What a worker does with each event. Raises ConfigurationError where the trail cannot be written."""
    if settings.audit is None:
        return tell
    trail = AuditFile(settings.audit.file)

    def write(event: Event) -> None:
        tell(event)
        entry = entry_of(event, acting_key.get())
        if entry is not None:
            trail.append(entry)

    return write


def note_start(settings: ServiceSettings) -> None:
    """Tell that the service starts, and under which policy: once, however many workers. Raises as `listener`."""
    if settings.audit is None:
        return
    trail = AuditFile(settings.audit.file)
    policy = dataclasses.asdict(settings.policy)
    trail.note("service_started", by=operator(), realm=settings.realm, policy=policy)
    trail.close()
