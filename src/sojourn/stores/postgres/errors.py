"""Errors of psycopg: which may be retried, and what our callers get for them."""

from __future__ import annotations

import psycopg
from psycopg import errors
from psycopg_pool import PoolClosed, PoolTimeout, TooManyRequests

from sojourn.core.errors import ConfigurationError, SessionExists, SojournError, StoreUnavailable

__all__ = ["MAX_RETRIES", "NO_TABLES", "SchemaBehind", "is_of_a_value", "may_retry", "translated", "unreachable"]

MAX_RETRIES = 10
NO_TABLES = "The PostgreSQL database has no tables of Sojourn's. Run `sojourn migrate --store URL` first."

# PostgreSQL undid what it had done of it, or had done nothing.
_UNDONE = (errors.SerializationFailure, errors.DeadlockDetected, errors.ReadOnlySqlTransaction)
_NOT_SENT = (PoolTimeout, PoolClosed, TooManyRequests)
# psycopg's own limit on waiting, and the server's.
_TOO_LATE = (errors._WaitTimeout, errors.QueryCanceled, errors.LockNotAvailable)


class SchemaBehind(ConfigurationError):
    """The database waits for a migration."""


def may_retry(error: psycopg.Error, *, repeatable: bool) -> bool:
    """Whether the same may be asked again: nothing was done, or to do it twice is to do it once."""
    if isinstance(error, _UNDONE):
        return True
    lost = isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError))
    return repeatable and lost and not isinstance(error, _NOT_SENT + _TOO_LATE)


def is_of_a_value(error: Exception) -> bool:
    """Whether a value in what was asked could not be taken, so that nothing of it was done; not the server's state."""
    if not isinstance(error, SojournError):
        return True
    cause = error.__cause__
    return isinstance(cause, psycopg.Error) and (cause.sqlstate or "").startswith(("22", "54"))


def translated(error: psycopg.Error) -> SojournError:
    """The error that the caller gets. The server's details stay out: they may quote a session."""
    if isinstance(error, errors.UniqueViolation):
        return SessionExists()
    if isinstance(error, errors.UndefinedTable):
        return SchemaBehind(NO_TABLES)
    if isinstance(error, errors.InsufficientPrivilege):
        return ConfigurationError(
            f"PostgreSQL refuses: {error.diag.message_primary}. Grant the application's role SELECT, INSERT, UPDATE "
            "and DELETE on sojourn_session, sojourn_bar and sojourn_mark, and SELECT on sojourn_migration."
        )
    if isinstance(error, _NOT_SENT):
        return StoreUnavailable(f"No connection to PostgreSQL was to be had, and nothing was asked of it: {error}.")
    if isinstance(error, _TOO_LATE):
        return StoreUnavailable("PostgreSQL did not answer in time. A write may have been made or not.")
    if isinstance(error, _UNDONE):
        return StoreUnavailable(f"PostgreSQL kept nothing of the write: {error.diag.message_primary}.")
    if error.sqlstate is None or error.sqlstate.startswith(("08", "57")):
        return StoreUnavailable("The connection to PostgreSQL was lost. A write may have been made or not.")
    return StoreUnavailable(f"PostgreSQL refused: {error.diag.message_primary} (SQLSTATE {error.sqlstate}).")


def unreachable(error: psycopg.Error) -> StoreUnavailable:
    """The error where not even a connection could be made."""
    return StoreUnavailable(f"PostgreSQL cannot be reached: {str(error).splitlines()[0]}")
