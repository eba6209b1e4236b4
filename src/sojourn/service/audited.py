"""The service's audit trail, as the settings have it, and what it tells of the service itself."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

from sojourn.audit.entry import entry_of
from sojourn.audit.operator import operator
from sojourn.audit.trail import AuditTrail
from sojourn.audit.trail_location import open_trail
from sojourn.core.errors import ConfigurationError
from sojourn.core.events import Event
from sojourn.manager import OnEvent

from .acting_key import acting_key
from .log import tell
from .settings import AuditSettings, ServiceSettings

if TYPE_CHECKING:
    from sojourn.audit import Webhook

__all__ = ["listener", "note_start", "opened_trail", "read_secret_file"]


def opened_trail(settings: ServiceSettings) -> AuditTrail | None:
    """The trail, where the settings have one. Raises ConfigurationError where it cannot be written."""
    return None if settings.audit is None else open_trail(settings.audit.trail)


def listener(settings: ServiceSettings, trail: AuditTrail | None) -> OnEvent:
    """What a worker does with each event. Raises ConfigurationError where the webhook's secret cannot be read."""
    if settings.audit is None or trail is None:
        return tell
    hook = _webhook(settings.audit)
    if hook is not None:
        hook.start()

    def write(event: Event) -> None:
        tell(event)
        entry = entry_of(event, acting_key.get())
        if entry is not None:
            trail.append(entry)

    return write


def _webhook(settings: AuditSettings) -> Webhook | None:
    told = settings.webhook
    if told is None:
        return None
    from sojourn.audit import Webhook

    return Webhook(settings.trail, told.url, read_secret_file(told.secret_file), outbox=told.outbox)


def read_secret_file(path: str) -> str:
    """What is in the file of the webhook's secret. Raises ConfigurationError where it cannot be read."""
    try:
        return Path(path).read_text("ascii", "replace")
    except OSError as error:
        raise ConfigurationError(f"audit.webhook.secret_file {path}: {error.strerror}.") from None


def note_start(settings: ServiceSettings) -> None:
    """Tell that the service starts, and under which policy: once, however many workers. Raises as the two above."""
    trail = opened_trail(settings)
    if settings.audit is None or trail is None:
        return
    # What is wrong with it is told before there are workers.
    _webhook(settings.audit)
    policy = dataclasses.asdict(settings.policy)
    trail.note("service_started", by=operator(), realm=settings.realm, policy=policy)
    trail.close()
