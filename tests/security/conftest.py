"""A site per test, on each store; at its end nothing may hold a secret that it issued."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sojourn.core.async_store import AsyncStore
from sojourn.stores.memory import AsyncMemoryStore
from sojourn.stores.sqlite import AsyncSQLiteStore
from tests.security.site import Site

MakeSite = Callable[..., Site]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(params=["memory", "sqlite"])
def kind(request: pytest.FixtureRequest) -> str:
    """Which store."""
    return str(request.param)


@pytest.fixture
def make_site(kind: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[MakeSite]:
    """Makes sites with a policy and settings of the test's choice, each with a new store of one kind."""
    caplog.set_level(logging.DEBUG)
    sites: list[Site] = []

    def make(**settings: Any) -> Site:
        path = settings.pop("path", None) or tmp_path / f"{len(sites)}.sqlite3"
        store: AsyncStore = AsyncMemoryStore() if kind == "memory" else AsyncSQLiteStore(path)
        sites.append(Site(store, None if kind == "memory" else path, **settings))
        return sites[-1]

    yield make
    for site in sites:
        leaks = site.leaks(caplog.text)
        asyncio.run(site.store.close())
        assert leaks == []
        assert site.leaks("") == []


@pytest.fixture
def site(make_site: MakeSite) -> Site:
    """The site as anybody gets it: default policy, default cookie, no trusted origin."""
    return make_site()
