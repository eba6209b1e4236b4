"""The option --audit that commands share which change something, and the trail that it opens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from sojourn.audit import AuditFile

__all__ = ["audit_option", "audited"]

audit_option = click.option(
    "--audit",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="SOJOURN_AUDIT",
    show_envvar=True,
    help="The audit trail: the file that tells who did what.",
)


@contextmanager
def audited(path: Path | None) -> Iterator[AuditFile | None]:
    """The trail at `path`, for the time of a command; None where there is no path.

    Opened before the command changes anything. Raises ConfigurationError where it cannot be written.
    """
    trail = AuditFile(path) if path else None
    try:
        yield trail
    finally:
        if trail is not None:
            trail.close()
