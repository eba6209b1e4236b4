"""A traceback, as a reporter of errors sends it with each frame's variables, holds no token."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from django.test.utils import override_settings

from sojourn import Policy, SessionManager
from tests.counting_store import CountingStore
from tests.frames import require_no_secret

STORE = CountingStore()


def failing_manager() -> SessionManager:
    return SessionManager(STORE, Policy(touch_interval=0))


@contextmanager
def failing() -> Iterator[CountingStore]:
    global STORE  # noqa: PLW0603  # for failing_manager
    STORE = CountingStore()
    sojourn = {"store": "tests.django.test_frames.failing_manager", "script_readable_tokens": True}
    with override_settings(SOJOURN=sojourn):
        yield STORE


@pytest.fixture
def store(layer: str) -> Iterator[CountingStore]:
    with failing() as store:
        yield store


@pytest.fixture
def our_store(ours: None) -> Iterator[CountingStore]:
    with failing() as store:
        yield store


def shown(way: str) -> tuple[dict[str, Any], list[str]]:
    """Headers that show a session, or two, and the tokens in them."""
    tokens = []
    for _ in range(2):
        client = Client()
        client.post("/do/put", {"a": 1}, content_type="application/json")
        tokens.append(client.cookies[settings.SESSION_COOKIE_NAME].value)
    if way == "bearer":
        return {"HTTP_AUTHORIZATION": f"Bearer {tokens[0]}", "HTTP_SOJOURN_TRANSPORT": "bearer"}, tokens[:1]
    tokens = tokens[:1] if way == "cookie" else tokens
    return {"HTTP_COOKIE": "; ".join(f"{settings.SESSION_COOKIE_NAME}={token}" for token in tokens)}, tokens


def ask(path: str, headers: dict[str, Any]) -> BaseException:
    with pytest.raises(RuntimeError) as raised:
        Client().post(path, {"b": 2}, content_type="application/json", **headers)
    return raised.value


CALLS = pytest.mark.parametrize(
    ("call", "what"), [("get", "put"), ("commit", "put"), ("create", "cycle"), ("end", "flush")]
)


def test_a_view_that_fails_shows_no_token(store: CountingStore) -> None:
    headers, tokens = shown("cookie")

    require_no_secret(ask("/broken", headers), *tokens)


@CALLS
def test_a_store_that_fails_shows_no_token(store: CountingStore, call: str, what: str) -> None:
    headers, tokens = shown("cookie")
    store.broken = call

    assert require_no_secret(ask(f"/do/{what}", headers), *tokens)


@CALLS
def test_a_store_that_fails_shows_no_bearer_s_token(our_store: CountingStore, call: str, what: str) -> None:
    headers, tokens = shown("bearer")
    our_store.broken = call

    assert require_no_secret(ask(f"/do/{what}", headers), *tokens)


@pytest.mark.parametrize(("call", "what"), [("get", "put"), ("create", "put"), ("end", "flush")])
def test_a_store_that_fails_shows_none_of_two_tokens(our_store: CountingStore, call: str, what: str) -> None:
    headers, tokens = shown("cookies")
    our_store.broken = call

    assert require_no_secret(ask(f"/do/{what}", headers), *tokens)
