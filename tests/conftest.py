"""Fixtures for all tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack

import pytest

from tests.server import Server, run_server

StartServer = Callable[..., Server]


@pytest.fixture(scope="session")
def start_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartServer]:
    """Starts a command as in `run_server`; it runs until the end of the session."""
    with ExitStack() as running:

        def start(command: Sequence[str], *, path: str = "/", env: Mapping[str, str] | None = None) -> Server:
            log = tmp_path_factory.mktemp("server") / "output.log"
            return running.enter_context(run_server(command, log, path=path, env=env))

        yield start
