"""A running service, and a back end that calls it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sojourn.wire.api_key import KEY_SCOPES
from tests.server import Server
from tests.service.backend import Backend, make_key, start


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of API keys."""
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="session")
def key(keys: Path) -> str:
    """An API key for everything."""
    return make_key(keys, *KEY_SCOPES)


@pytest.fixture(scope="session")
def keys_by_scope(keys: Path) -> dict[str, str]:
    """An API key for each scope alone."""
    return {scope: make_key(keys, scope) for scope in KEY_SCOPES}


@pytest.fixture(scope="session")
def service(
    tmp_path_factory: pytest.TempPathFactory, keys: Path, key: str, keys_by_scope: dict[str, str]
) -> Iterator[Server]:
    """A service on SQLite that logs all it can, in JSON."""
    folder = tmp_path_factory.mktemp("service")
    config = folder / "sojourn.toml"
    config.write_text(
        f"""
        store = "sqlite:///{folder}/sessions.sqlite3"
        keys = "{keys}"
        metrics = true
        [browser]
        writable = ["theme"]
        [log]
        level = "debug"
        format = "json"
        """
    )
    with start(folder, "--config", str(config)) as server:
        yield server


@pytest.fixture
def backend(service: Server, key: str) -> Iterator[Backend]:
    with Backend(service.port, key) as backend:
        yield backend
