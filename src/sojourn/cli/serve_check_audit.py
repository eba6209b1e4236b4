"""What is wrong or weak in the settings of a service's audit trail, for `sojourn serve --check`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from sojourn.audit.audit_file import chain_path
from sojourn.audit.signature import read_secret
from sojourn.audit.table import TableURL, open_table
from sojourn.audit.trail_location import is_url
from sojourn.audit.webhook import require_safe
from sojourn.core.errors import ConfigurationError, StoreUnavailable
from sojourn.service.audited import read_secret_file
from sojourn.service.settings import AuditSettings, WebhookSettings

from .remark import Remark

__all__ = ["asked_for_trail", "audit_findings"]


def audit_findings(audit: AuditSettings) -> Iterator[Remark]:
    """What the settings and the files say. Makes no file, and asks no network."""
    if is_url(audit.trail):
        yield from _table(audit.trail)
    else:
        path = Path(audit.trail)
        yield from _unwritable("audit.trail", path, chain_path(path))
        if path.is_file() and path.stat().st_mode & 0o007:
            yield Remark("weak", f"audit.trail {path}: everybody may read who was where. chmod 600 {path}")
    if audit.webhook is not None:
        yield from _webhook(audit.webhook)


def asked_for_trail(trail: str) -> Iterator[Remark]:
    """What PostgreSQL says, where the trail is there."""
    try:
        url = TableURL.parse(trail) if is_url(trail) else None
    except ConfigurationError:
        return  # said already
    if url is None or url.store.path is not None:
        return
    try:
        with closing(open_table(url, make=False)) as table:
            table.read(0, 1)
    except ConfigurationError as error:
        yield Remark("wrong", f"audit.trail: {error}")
    except StoreUnavailable as error:
        yield Remark("weak", f"audit.trail: its server could not be asked. {error}")


def _table(url: str) -> Iterator[Remark]:
    try:
        path = TableURL.parse(url).store.path
    except ConfigurationError as error:
        yield Remark("wrong", f"audit.trail: {error}")
        return
    if path is not None:
        yield from _unwritable("audit.trail", Path(path))


def _webhook(webhook: WebhookSettings) -> Iterator[Remark]:
    try:
        require_safe(webhook.url)
    except ConfigurationError as error:
        yield Remark("wrong", f"audit.webhook.url: {error}")
    try:
        read_secret(read_secret_file(webhook.secret_file))
    except ConfigurationError as error:
        yield Remark("wrong", str(error))
    else:
        if Path(webhook.secret_file).stat().st_mode & 0o077:
            yield Remark(
                "weak",
                f"audit.webhook.secret_file: others may read it, and sign as you. chmod 600 {webhook.secret_file}",
            )
    yield from _unwritable("audit.webhook.outbox", Path(webhook.outbox))


def _unwritable(key: str, *paths: Path) -> Iterator[Remark]:
    """The first reason for which the files could not be written, or made."""
    folder = paths[0].absolute().parent
    if not folder.is_dir():
        yield Remark("wrong", f"{key} {paths[0]}: there is no folder {folder}. Make it, for the service's user.")
        return
    for path in paths:
        if path.is_dir():
            yield Remark("wrong", f"{key} {path}: that is a folder. Give a file in it.")
        elif not os.access(path if path.exists() else folder, os.W_OK):
            mend = "Give it to the service's user." if path.exists() else f"Give {folder} to the service's user."
            yield Remark("wrong", f"{key} {path}: it cannot be written. {mend}")
        else:
            continue
        return
