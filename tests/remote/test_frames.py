"""A traceback with each frame's variables, as reporters of errors send it, holds no token, and no key of a service."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from sojourn.core.errors import ConfigurationError, StoreUnavailable
from sojourn.core.session import Session
from tests.frames import require_no_secret
from tests.servers.port import find_port

from .service import KINDS, Service, begin, manager_of

TOKEN = f"sj1-{'0' * 32}-{'0123456789abcdef' * 4}"
KEY = f"sjk1-{'0' * 8}-{'fedcba9876543210' * 4}"

kinds = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture(params=["refuses", "is silent"])
def away(request: pytest.FixtureRequest) -> Iterator[str]:
    """A service that is not there, or takes a request and says nothing."""
    port = find_port()
    with closing(socket.create_server(("127.0.0.1", port))) as listener:
        if request.param == "refuses":
            listener.close()
        yield f"http://127.0.0.1:{port}"


@kinds
def test_a_service_that_is_away_is_told_without_the_token(kind: str, away: str, service: Service) -> None:
    with manager_of(kind, away, KEY, timeout=0.3) as manager:
        with pytest.raises(StoreUnavailable) as raised:
            manager.open(TOKEN)
        assert require_no_secret(raised.value, TOKEN, KEY)

        with manager_of(kind, service.url, service.key) as good:
            token = begin(good)
            session: Session = good.open(token)
        session["n"] = 1
        with pytest.raises(StoreUnavailable) as raised:
            manager.commit(session)
        assert require_no_secret(raised.value, token, KEY)


@kinds
def test_a_refused_key_is_told_without_it(kind: str, service: Service) -> None:
    with manager_of(kind, service.url, KEY) as manager, pytest.raises(ConfigurationError) as raised:
        manager.open(TOKEN)

    assert require_no_secret(raised.value, TOKEN, KEY)
