"""The option --audit that commands share which change something, and the trail that it opens."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

import click

from sojourn.audit.trail import AuditTrail
from sojourn.audit.trail_location import is_url, open_trail

__all__ = ["audit_option", "audited"]


class _Location(click.Path):
    """A file, completed as one, or a URL."""

    def convert(self, value: str | os.PathLike[str], param: click.Parameter | None, ctx: click.Context | None) -> str:
        """As click.Path's; a URL stays as it is."""
        location = os.fspath(value)
        return location if is_url(location) else str(super().convert(location, param, ctx))


audit_option = click.option(
    "--audit",
    type=_Location(dir_okay=False),
    metavar="FILE|URL",
    envvar="SOJOURN_AUDIT",
    show_envvar=True,
    help="The audit trail, which tells who did what: a file, or a store's URL for a table there.",
)


@contextmanager
def audited(location: str | None) -> Iterator[AuditTrail | None]:
    """The trail there, for the time of a command; None where no location is given.

    Opened before the command changes anything. Raises ConfigurationError where it cannot be written.
    """
    trail = open_trail(location) if location else None
    try:
        yield trail
    finally:
        if trail is not None:
            trail.close()
