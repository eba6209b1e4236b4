"""Tables: those of PostgreSQL, which `manage.py migrate` makes and brings up. Other stores need none made."""

from __future__ import annotations

from collections.abc import Sequence

from django.conf import settings

from sojourn.core.errors import ConfigurationError
from sojourn.stores.store_url import StoreURL

from . import process
from .settings import SojournSettings

__all__ = ["bring_tables_up", "is_behind"]


def bring_tables_up() -> Sequence[str]:
    """Make what is missing; the migrations that were. Raises ConfigurationError and StoreUnavailable."""
    at = _database()
    if at is None:
        return ()
    from sojourn.stores.postgres import migrate

    return migrate(at)


def is_behind(error: ConfigurationError) -> bool:
    """Whether this is said of a database that `manage.py migrate` would put right."""
    if _database() is None:
        return False
    from sojourn.stores.postgres.errors import SchemaBehind

    return isinstance(error, SchemaBehind)


def _database() -> str | None:
    """Where the tables are to be; None where sessions are kept elsewhere, as under the test runner."""
    if settings.SESSION_ENGINE != "sojourn.django" or process.in_tests():
        return None
    url = SojournSettings.read().url
    at = StoreURL.parse(url) if url is not None else None
    return at.bare if at is not None and at.scheme in ("postgresql", "postgres") else None
