"""`sojourn migrate`: a PostgreSQL database made ready for this version of Sojourn."""

from __future__ import annotations

import click

from sojourn.audit.operator import operator
from sojourn.audit.trail_location import is_url
from sojourn.core.errors import ConfigurationError
from sojourn.core.extras import install
from sojourn.stores.store_url import StoreURL

from .audit_option import audit_option, audited
from .exit import Exit
from .store_option import store_options
from .terminal import echo_json

__all__ = ["migrate"]


@click.command()
@store_options
@audit_option
def migrate(url: str, as_json: bool, audit: str | None) -> int:
    """Bring a PostgreSQL database to this version's tables. Run it before the new version of the application starts.

    It may be run at any time, also by several at once: what is there already is left alone. Other stores need nothing.
    """
    at = StoreURL.parse(url)
    needed = at.scheme in ("postgresql", "postgres")
    # A trail in a table is made by what it would tell of.
    with audited(None if audit and is_url(audit) else audit):
        applied = _migrate(at.bare) if needed else []
    if applied:
        with audited(audit) as trail:
            if trail is not None:
                trail.note("migrated", by=operator(), applied=applied)
    if as_json:
        echo_json({"applied": applied})
    elif applied:
        click.echo("\n".join(f"applied {migration}" for migration in applied))
    else:
        click.echo("up to date" if needed else "nothing to migrate: this store needs no tables made beforehand")
    return Exit.DONE


def _migrate(conninfo: str) -> list[str]:
    try:
        from sojourn.stores import postgres
    except ImportError as error:
        if (error.name or "").startswith("sojourn"):
            raise
        raise ConfigurationError(f"PostgreSQL needs the extra `postgres`: {install('postgres')}") from error
    return postgres.migrate(conninfo)
