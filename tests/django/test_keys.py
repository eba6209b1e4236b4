"""session_key, and what is asked by it: the public id under our middleware, the token under Django's."""

from __future__ import annotations

import pickle
from typing import Any

import django
import pytest
from asgiref.sync import async_to_sync
from django.conf import settings
from django.contrib.auth.models import User
from django.test import AsyncClient, Client
from django.test.utils import override_settings

from sojourn.core.token import parse
from sojourn.django import SessionStore, manager

from .test_requests import TIME, counted, counting, do, token, twin  # noqa: F401  # fixtures


def told(client: Client, what: str, body: Any = None) -> Any:
    return do(client, what, body).json()["result"]  # type: ignore[attr-defined]  # a test's response


def id_of(client: Client) -> str:
    parsed = parse(token(client))
    assert parsed is not None
    return parsed.id


def is_live(client: Client) -> bool:
    found = manager().get(id_of(client))
    return found is not None and found.end_reason is None


# Looking is not showing


def test_a_look_at_an_old_token_ends_nothing(counted: Any) -> None:  # noqa: F811
    client = Client()
    do(client, "put", {"a": 1})
    old = token(client)
    TIME[0] += 301_000
    client.get("/show")
    client.get("/show")
    TIME[0] += 61_000
    assert token(client) != old

    assert not SessionStore().exists(old)
    SessionStore().delete(old)
    assert is_live(client)
    assert SessionStore().exists(token(client))
    assert client.get("/show").json()["data"] == {"a": 1}


def test_a_look_renews_and_promotes_nothing(counting: Any) -> None:  # noqa: F811
    client = Client()
    do(client, "put", {"a": 1})
    TIME[0] += 301_000
    counting.asked.clear()

    assert SessionStore().exists(token(client))
    assert counting.asked == ["get"]


def test_a_wrong_secret_of_a_known_id_neither_exists_nor_deletes(layer: str) -> None:
    client = Client()
    do(client, "put", {"a": 1})
    wrong = f"sj1-{id_of(client)}-{'0' * 64}"

    assert not SessionStore().exists(wrong)
    SessionStore().delete(wrong)
    assert is_live(client)


@pytest.mark.parametrize("key", ["", "x", "../etc", "a" * 32, "A" * 32, "sj1-", "\0" * 32])
def test_what_is_no_key_does_not_exist(layer: str, key: str) -> None:
    assert not SessionStore().exists(key)
    SessionStore().delete(key)


def test_the_key_of_a_session_that_is_not_there_does_not_exist(layer: str) -> None:
    session = SessionStore("someunknownkey")
    session.load()

    assert session.session_key is None
    assert not session.exists(session.session_key)
    assert not async_to_sync(session.aexists)(session.session_key)


# The public id


def test_session_key_is_the_public_id_under_our_middleware(ours: None) -> None:
    client = Client()
    do(client, "put", {"a": 1})
    key = told(client, "key")

    assert key == id_of(client)
    assert len(key) == 32
    assert SessionStore().exists(key)


def test_a_public_id_opens_and_ends_nothing_but_where_it_is_named(ours: None) -> None:
    client, thief = Client(), Client()
    do(client, "put", {"a": 1})
    key = id_of(client)
    thief.cookies["sessionid"] = key

    assert thief.get("/show").json()["data"] == {}
    made = SessionStore(key)
    assert made.load() == {}
    assert "a" not in made
    assert made.session_key is None
    made.delete()
    made.flush()
    assert is_live(client)
    SessionStore().delete(key)
    assert not is_live(client)


def test_a_key_that_is_kept_elsewhere_is_the_text_alone(ours: None) -> None:
    from sojourn.django.session_key import SessionKey

    key = SessionKey.of("a" * 32, "sj1-secret")

    for copy in (pickle.loads(pickle.dumps(key)), str(key), f"{key}", repr(key)):  # our own
        assert not isinstance(copy, SessionKey)
        assert "secret" not in copy


def test_after_cycle_key_the_key_is_the_new_one(ours: None) -> None:
    client = Client()
    do(client, "put", {"a": 1})
    before = told(client, "key")
    do(client, "cycle")

    assert told(client, "key") == id_of(client) != before


def test_the_test_client_logs_in_and_out(layer: str, ada: User) -> None:
    client = Client()
    client.force_login(ada)

    assert client.get("/show").json()["user"] == str(ada.pk)
    session = client.session
    session["cart"] = ["tea"]
    session.save()
    assert client.get("/show").json()["data"]["cart"] == ["tea"]
    client.logout()
    assert client.get("/show").json()["user"] is None


# Another session in the place of the request's


def test_a_new_visitor_whose_session_is_replaced_keeps_it(layer: str) -> None:
    client = Client()
    do(client, "reload", {"state": 1})

    assert token(client)
    assert client.get("/show").json()["data"] == {"state": 1}


def test_a_session_that_is_loaded_anew_stays_the_same_session(layer: str) -> None:
    client = Client()
    do(client, "put", {"a": 1})
    before = id_of(client)
    do(client, "reload", {"state": 1})

    assert id_of(client) == before
    assert client.get("/show").json()["data"] == {"a": 1, "state": 1}


def test_another_session_altogether_is_what_the_browser_gets(layer: str) -> None:
    client = Client()
    do(client, "put", {"a": 1})
    before = id_of(client)
    do(client, "replace", {"b": 2})

    assert id_of(client) != before
    assert client.get("/show").json()["data"] == {"b": 2}


def test_a_renewal_that_is_due_reaches_the_browser_though_the_session_is_replaced(counted: Any) -> None:  # noqa: F811
    client = Client()
    do(client, "put", {"a": 1})
    for hour in range(12):
        TIME[0] += 360_000
        do(client, "reload", {"hour": hour})
        do(client, "put", {"again": hour})

    assert client.get("/show").json()["data"] == {"a": 1, "hour": 11, "again": 11}
    assert is_live(client)


# Django's promises


def test_load_returns_what_the_store_has(layer: str) -> None:
    client = Client()
    do(client, "put", {"a": 1})

    assert told(client, "load", {"b": 2}) == {"a": 1}


def test_modified_false_takes_a_change_back(layer: str) -> None:
    client = Client()
    do(client, "put", {"a": 1})

    assert told(client, "hold_back", {"a": 2}) == {"a": 2}
    assert client.get("/show").json()["data"] == {"a": 1}


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ("max-age=0, no-cache, no-store, must-revalidate, private", None),
        ("private, no-store", None),
        ("public, max-age=600", "no-store"),
        ("private", "no-store"),
    ],
)
def test_a_stricter_cache_control_is_kept(ours: None, said: str, sent: str | None) -> None:
    client = Client()
    do(client, "put", {"a": 1})
    answer = client.get("/cached", {"cache": said})

    assert answer.cookies
    assert answer["Cache-Control"] == (sent or said)


@pytest.mark.skipif(django.VERSION < (5, 0), reason="Django's csrf_exempt takes coroutines from 5.0 on")
def test_a_renewed_secret_key_and_a_look_at_the_key_in_a_coroutine(layer: str, ada: User) -> None:
    client, other, awaited = Client(), Client(), AsyncClient()
    client.force_login(ada)
    other.force_login(ada)
    awaited.cookies["sessionid"] = token(client)
    with override_settings(SECRET_KEY="renewed", SECRET_KEY_FALLBACKS=[settings.SECRET_KEY]):

        @async_to_sync
        async def ask() -> Any:  # Django 4.2's `post` is a plain function that gives a coroutine
            return await awaited.post("/ado/get_user", b"null", content_type="application/json")

        answer = ask()

        assert answer.json() == {"result": ["ada", True]}
    assert is_live(other)
