"""Target: the store that is tortured, by its URL, or by the name of a Store class or of a function that makes one."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from sojourn.core.async_store import AsyncStore
from sojourn.core.errors import ConfigurationError
from sojourn.core.store import Store
from sojourn.stores.store_url import StoreURL, open_async_store, open_store

__all__ = ["Target"]

_is_name = re.compile(r"[^\W\d][\w.]*:[^\W\d][\w.]*", re.ASCII).fullmatch


# The stores that talk to one address without proof of its name, and their usual ports.
PORTS = {"postgresql": 5432, "postgres": 5432, "redis": 6379, "valkey": 6379}
# Those that are needed here.
METHODS = ("get", "create", "commit", "end", "end_all", "list", "close")


class Target(NamedTuple):
    """`name` is as it was given. May hold a password: `label` is what may be shown."""

    name: str
    label: str
    is_url: bool
    in_memory: bool = False

    @classmethod
    def parse(cls, name: str) -> Target:
        """The target that `name` names. Raises ConfigurationError for what is neither a URL nor module:Class."""
        if _is_name(name):
            target = cls(name, name, is_url=False)
            target._factory()  # its own: refused now, and not by each of the processes
            return target
        at = StoreURL.parse(name)
        if at.scheme == "memory":
            return cls(name, name, is_url=True, in_memory=True)
        label = f"sqlite:///{at.path}" if at.path is not None else f"{at.scheme}://..."
        return cls(name, label, is_url=True)

    @property
    def address(self) -> tuple[str, int] | None:
        """The host and port of the one server of a store, where a proxy may take its place: its name is not proved."""
        at = urlsplit(self.name) if self.is_url else None
        if at is None or at.scheme not in PORTS or not at.hostname or "," in at.netloc:
            return None
        if "verify-full" in at.query or "host" in at.query:
            return None
        return at.hostname, at.port or PORTS[at.scheme]

    def at_port(self, port: int) -> Target:
        """The same store behind that port of this machine."""
        at = urlsplit(self.name)
        credentials, mark, _ = at.netloc.rpartition("@")
        return self._replace(name=at._replace(netloc=f"{credentials}{mark}127.0.0.1:{port}").geturl())

    async def open(self, *, awaited: bool) -> Store | AsyncStore:
        """A store of one's own. `awaited` asks for the one for an event loop, where there are both."""
        if self.is_url:
            return open_async_store(self.name) if awaited else open_store(self.name)
        made = self._factory()()
        store: Store | AsyncStore = await made if inspect.isawaitable(made) else made
        lacks = [name for name in METHODS if not callable(getattr(store, name, None))]
        if lacks:
            raise ConfigurationError(
                f"{self.name} made no Store: it lacks {', '.join(lacks)}. See sojourn.core.store.Store."
            )
        return store

    def _factory(self) -> Callable[[], Any]:
        module, _, path = self.name.partition(":")
        # What `python -m` does: a store that is not installed yet lies in the current folder.
        if (here := str(Path.cwd())) not in sys.path:
            sys.path.insert(0, here)
        found: Any
        try:
            found = importlib.import_module(module)
            for part in path.split("."):
                found = getattr(found, part)
        except (ModuleNotFoundError, AttributeError) as error:
            raise ConfigurationError(
                f"{self.name} cannot be imported: {error}. Write package.module:Class, from the folder that holds it."
            ) from None
        try:
            inspect.signature(found).bind()
        except TypeError:
            raise ConfigurationError(
                f"{self.name} is to be called without arguments, and cannot be. Name a function that makes the store."
            ) from None
        except ValueError:
            pass  # a class written in C tells no signature: the call itself will show
        return found  # type: ignore[no-any-return]  # any callable; what it makes is judged by what it does
