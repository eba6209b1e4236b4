"""The options --store and --json that the store's commands share, and the manager that --store opens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import quote

import click

from sojourn.core.errors import ConfigurationError
from sojourn.core.policy import Policy
from sojourn.core.store import Store
from sojourn.manager import OnEvent, SessionManager
from sojourn.stores.store_url import StoreURL, open_store

__all__ = [
    "either_realm_option",
    "existing_store",
    "json_option",
    "now_ms",
    "open_existing",
    "open_manager",
    "realm_option",
    "shared_store",
    "store_option",
    "store_options",
]

_SQLITE = b"SQLite format 3\0"

F = TypeVar("F", bound=Callable[..., Any])

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document; times in Unix ms.")


store_option = click.option(
    "--store",
    "url",
    metavar="URL",
    envvar="SOJOURN_STORE",
    required=True,
    show_envvar=True,
    help="Where the sessions are: sqlite:///relative.db, sqlite:////absolute.db, postgresql://…, redis://…, "
    "redis+cluster://… or redis+sentinel://…. With a password in it, use the variable: others see a command line.",
)


def store_options(command: F) -> F:
    """Give a command the options --store and --json."""
    return store_option(json_option(command))


realm_option = click.option("--realm", default="", help="The realm of the application, where it has one.")


either_realm_option = click.option("--realm", help="Only this realm's; without it, all realms'.")


def now_ms() -> int:
    """The time by this machine, in Unix milliseconds."""
    return time.time_ns() // 1_000_000


@contextmanager
def open_existing(url: str) -> Iterator[Store]:
    """The store at `url`, for the time of a command. Raises ConfigurationError as open_manager does."""
    store = existing_store(url)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def open_manager(
    url: str, policy: Policy | None = None, realm: str = "", on_event: OnEvent | None = None
) -> Iterator[SessionManager]:
    """The sessions at `url`. Raises ConfigurationError, with the mend, where there is no store yet: none is made."""
    with open_existing(url) as store:
        yield SessionManager(store, policy, realm=realm, on_event=on_event)


def existing_store(url: str) -> Store:
    """The store at `url`, which must be there already. Raises ConfigurationError as open_manager does."""
    at = StoreURL.parse(url)
    if at.path is not None:
        _check_file(Path(at.path))
    return shared_store(url)


def shared_store(url: str) -> Store:
    """The store at `url`, made where there is none. Raises ConfigurationError for one that is in a process's memory."""
    at = StoreURL.parse(url)
    if at.scheme == "memory":
        raise ConfigurationError("Sessions in memory: are inside the application's process; no other one can see them.")
    # Without the cache that the application may have there: a command reads most things once.
    return open_store(at.bare)


def _check_file(path: Path) -> None:
    if path.is_file():
        _check_is_database(path)
    if path.exists():
        return
    missing = f"There is no session file {path.absolute()}, and this command makes none."
    rooted = Path("/", path)
    if path.is_absolute():
        raise ConfigurationError(f"{missing} Give the file that your application writes.")
    if rooted.is_file():
        raise ConfigurationError(
            f"{missing} There is {rooted}, and an absolute path takes four slashes: --store sqlite:///{quote(str(rooted))}"
        )
    raise ConfigurationError(
        f"{missing} After three slashes the path begins in the current folder. "
        f"Write the full path after them: --store sqlite:////path/to/{quote(path.name)}"
    )


def _check_is_database(path: Path) -> None:
    try:
        with path.open("rb") as file:
            first = file.read(len(_SQLITE))
    except OSError as error:
        raise ConfigurationError(f"The session file {path.absolute()} cannot be read: {error.strerror}.") from None
    if not first:
        raise ConfigurationError(f"{path.absolute()} is empty: no application has kept sessions in it yet.")
    if first != _SQLITE:
        raise ConfigurationError(
            f"{path.absolute()} is no SQLite database. Give the file that your application writes."
        )
