"""A session service for the tests of the remote managers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sojourn.remote import RemoteSessionManager
from tests.conftest import StartServer

from .service import KINDS, Service, command, make_key, manager_of

STRICT = """
touch_interval = 0
rotate_interval = 0
max_sessions = 1
on_limit = "refuse"
on_conflict = "raise"
max_bytes = 2000
remember = false
"""


def _start(start_server: StartServer, factory: pytest.TempPathFactory, policy: str) -> Service:
    folder = factory.mktemp("service")
    keys = folder / "keys.json"
    key = make_key(keys)
    return Service(start_server(command(folder, keys, policy), path="/health"), keys, key)


@pytest.fixture(scope="session")
def service(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Service:
    """One with the policy that there is by default."""
    return _start(start_server, tmp_path_factory, "")


@pytest.fixture(scope="session")
def strict(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Service:
    """One where everything is due at once, and what may be refused is."""
    return _start(start_server, tmp_path_factory, STRICT)


@pytest.fixture(params=KINDS)
def manager(request: pytest.FixtureRequest, service: Service) -> Iterator[RemoteSessionManager]:
    with manager_of(request.param, service.url, service.key) as made:
        yield made


@pytest.fixture(params=KINDS)
def strict_manager(request: pytest.FixtureRequest, strict: Service) -> Iterator[RemoteSessionManager]:
    with manager_of(request.param, strict.url, strict.key) as made:
        yield made
