"""Requests through Django's SessionMiddleware, and through ours: what is read, written, sent, and refused."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.test.utils import override_settings

from sojourn import Policy
from sojourn.django import SessionMiddleware, SessionStore, manager
from tests.counting_store import CountingStore

MEMORY = {"store": "tests.django.test_requests.counting_manager", "readable": ["cart"], "writable": ["theme"]}
NOW = 1_800_000_000_000


STORE = CountingStore()
TIME = [NOW]


def counting_manager() -> Any:
    from sojourn import SessionManager

    return SessionManager(STORE, Policy(rotate_interval=300), clock=lambda: TIME[0])


@contextmanager
def count() -> Iterator[CountingStore]:
    global STORE  # noqa: PLW0603  # for counting_manager
    STORE = CountingStore()
    TIME[0] = NOW
    with override_settings(SOJOURN=MEMORY):
        yield STORE


@pytest.fixture
def counting(layer: str) -> Iterator[CountingStore]:
    """The project with each middleware, on a store that counts and a clock that stands still."""
    with count() as store:
        yield store


@pytest.fixture
def counted(ours: None) -> Iterator[CountingStore]:
    """The same, with our middleware alone."""
    with count() as store:
        yield store


def do(client: Client, what: str, body: Any = None, status: int = 200) -> HttpResponse:
    answer = client.post(f"/do/{what}", json.dumps(body), content_type="application/json")
    assert answer.status_code == status, answer.content
    return answer  # type: ignore[return-value]  # as django-stubs have it


def token(client: Client) -> str:
    morsel = client.cookies.get(settings.SESSION_COOKIE_NAME)
    return morsel.value if morsel else ""


def twin(client: Client) -> Client:
    other = Client()
    other.cookies[settings.SESSION_COOKIE_NAME] = token(client)
    return other


# Reads and writes


def test_nothing_is_read_where_nobody_looks(counting: CountingStore) -> None:
    client = Client()
    do(client, "put", {"a": 1})
    counting.asked.clear()
    answer = client.get("/plain")

    assert counting.asked == []
    assert "Vary" not in answer
    assert not answer.cookies


def test_a_look_is_one_read_and_no_write(counting: CountingStore) -> None:
    client = Client()
    do(client, "put", {"cart": ["tea"]})
    counting.asked.clear()
    answer = client.get("/show")

    assert counting.asked == ["get"]
    assert "Cookie" in answer["Vary"]
    assert not answer.cookies


def test_a_log_in_is_one_write(counting: CountingStore, ada: User) -> None:
    client = Client()
    do(client, "put", {"cart": ["tea"]})
    counting.asked.clear()
    do(client, "login", "ada")

    assert counting.asked == ["get", "create"]


def test_activity_is_noted_down_once_a_minute(counting: CountingStore) -> None:
    client = Client()
    do(client, "put", {"a": 1})
    for _ in range(6):
        TIME[0] += 20_000
        client.get("/show")

    assert counting.asked.count("commit") == 2


def test_a_visitor_without_a_cookie_gets_no_session_by_looking(counting: CountingStore) -> None:
    answer = Client().get("/show")

    assert answer.json()["id"] is None
    assert counting.asked == []
    assert not answer.cookies


def test_a_server_error_saves_nothing(counting: CountingStore) -> None:
    client = Client(raise_request_exception=False)
    do(client, "put", {"a": 1})
    assert client.post("/broken").status_code == 500

    assert client.get("/show").json()["data"] == {"a": 1}


# The cookie


def test_the_cookie_is_named_by_django_s_settings(layer: str) -> None:
    with override_settings(
        SESSION_COOKIE_NAME="__Secure-shop",
        SESSION_COOKIE_SECURE=True,
        SESSION_COOKIE_DOMAIN=".example.com",
        SESSION_COOKIE_PATH="/shop/",
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_HTTPONLY=False,
    ):
        morsel = do(Client(), "put", {"a": 1}).cookies["__Secure-shop"]

    assert morsel["secure"]
    assert not morsel["httponly"]
    assert (morsel["domain"], morsel["path"], morsel["samesite"]) == (".example.com", "/shop/", "Strict")


def test_the_cookie_outlives_the_browser_unless_it_is_not_to(layer: str) -> None:
    lasting = do(Client(), "put", {"a": 1}).cookies[settings.SESSION_COOKIE_NAME]["max-age"]
    with override_settings(SESSION_EXPIRE_AT_BROWSER_CLOSE=True):
        passing = do(Client(), "put", {"a": 1}).cookies[settings.SESSION_COOKIE_NAME]["max-age"]

    assert passing == ""
    # Django sends it with each save; ours once, for as long as the session can last.
    assert 0 <= (14 if layer == "django" else 30) * 86400 - lasting <= 1


def test_set_expiry_changes_the_cookie_of_a_session_that_is_there(layer: str) -> None:
    client = Client()
    do(client, "put", {"a": 1})
    morsel = do(client, "expiry", 0).cookies[settings.SESSION_COOKIE_NAME]

    assert morsel["max-age"] == ""
    assert morsel.value == token(client)


@pytest.mark.parametrize("value", ["nonsense", "a" * 32, "sj1-" + "0" * 32 + "-" + "0" * 64])
def test_a_cookie_that_opens_nothing_is_left_alone(layer: str, value: str) -> None:
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = value

    assert client.get("/show").json()["id"] is None
    assert token(client) == value
    do(client, "put", {"a": 1})
    assert token(client) != value


def test_a_cookie_of_a_session_that_ended_is_left_alone(layer: str, ada: User) -> None:
    client = Client()
    client.force_login(ada)
    before = token(client)
    manager().revoke_all(str(ada.pk))

    assert client.get("/show").json()["user"] is None
    assert token(client) == before


def test_a_log_out_clears_the_cookie_whichever_way_it_is_said(layer: str, ada: User) -> None:
    for what in ("flush", "raw_logout"):
        client = Client()
        client.force_login(ada)
        before = twin(client)
        do(client, what)

        assert token(client) == ""
        assert before.get("/show").json()["user"] is None


def test_a_session_that_the_view_deletes_gives_the_browser_no_token(layer: str) -> None:
    # Django's own middleware calls it SessionInterrupted, as with Django's own engines.
    status = 400 if layer == "django" else 200
    client = Client(raise_request_exception=False)
    do(client, "delete", {"a": 1}, status)
    assert token(client) == ""

    do(client, "put", {"a": 1})
    before = token(client)
    do(client, "delete", {"b": 1}, status)
    assert token(client) == before
    assert client.get("/show").json()["data"] == {}


def test_with_save_every_request_django_sends_each_time(project: Path, layer: str) -> None:
    with override_settings(SESSION_SAVE_EVERY_REQUEST=True):
        client = Client()
        assert not client.get("/plain").cookies
        do(client, "put", {"a": 1})
        sent = bool(client.get("/plain").cookies)

    assert sent == (layer == "django")


# Ours


def test_a_change_sends_no_cookie_and_a_new_token_is_never_cached(counted: CountingStore) -> None:
    client = Client()
    first = do(client, "put", {"a": 1})
    second = do(client, "put", {"b": 1})

    assert first["Cache-Control"] == "no-store"
    assert not second.cookies
    assert "Cache-Control" not in second


def test_secrets_are_renewed(counted: CountingStore) -> None:
    client = Client()
    do(client, "put", {"a": 1})
    first = token(client)
    TIME[0] += 300_000
    client.get("/show")
    second = token(client)
    client.get("/show")
    TIME[0] += 61_000

    assert second != first
    assert client.get("/show").json()["data"] == {"a": 1}
    thief = Client()
    thief.cookies[settings.SESSION_COOKIE_NAME] = first
    assert thief.get("/show").json()["data"] == {}
    assert client.get("/show").json()["data"] == {}


def test_a_late_answer_does_not_bring_an_old_token_back(counted: CountingStore) -> None:
    """With Django's own middleware the slow answer would: its cookie is the token that its request came with."""
    client = Client()
    do(client, "put", {"a": 1})
    slow = twin(client)
    TIME[0] += 300_000
    client.get("/show")
    client.get("/show")

    assert not do(slow, "put", {"b": 1}).cookies


def test_what_sojourn_raises_is_a_problem(counted: CountingStore) -> None:
    client = Client()
    answer = do(client, "put", {"large": "x" * 40_000}, status=413)

    assert answer["Content-Type"] == "application/problem+json"
    assert json.loads(answer.content)["type"] == "urn:sojourn:problem:data-too-large"


def test_an_outage_is_a_503_wherever_the_session_is_looked_at(counted: CountingStore, monkeypatch: Any) -> None:
    from sojourn import StoreUnavailable

    client = Client(raise_request_exception=False)
    do(client, "put", {"a": 1})

    def away(*_: Any) -> None:
        raise StoreUnavailable("away")

    monkeypatch.setattr(counted, "get", away)
    # In the view, in a template that looks at the user, in the endpoints.
    for path in ("/show", "/", "/session/"):
        answer = client.get(path)
        assert answer.status_code == 503, path
        assert answer["Retry-After"] == "2"


def test_another_site_is_refused_where_django_s_own_check_is_not_in_use(counted: CountingStore) -> None:
    do(Client(HTTP_ORIGIN="https://evil.test"), "put", {})
    with override_settings(MIDDLEWARE=[path for path in settings.MIDDLEWARE if "Csrf" not in path]):
        answer = do(Client(HTTP_ORIGIN="https://evil.test"), "put", {}, status=403)
        do(Client(), "put", {})

    assert json.loads(answer.content)["type"] == "urn:sojourn:problem:cross-origin"


def test_a_token_may_travel_in_authorization_where_that_is_allowed(counted: CountingStore) -> None:
    client = Client(enforce_csrf_checks=True, HTTP_SOJOURN_TRANSPORT="header")
    assert client.post("/session/start", "{}", content_type="application/json").status_code == 400
    with override_settings(SOJOURN=MEMORY | {"script_readable_tokens": True}):
        first = client.post("/session/start", '{"data": {"theme": "dark"}}', content_type="application/json")
        bearer = f"Bearer {first['Sojourn-Token']}"
        answer = client.get("/show", HTTP_AUTHORIZATION=bearer)
        added = client.post("/bag", {"item": "tea"}, HTTP_AUTHORIZATION=bearer)

    assert not first.cookies
    assert answer.json()["data"] == {"theme": "dark"}
    assert "Authorization" in answer["Vary"]
    assert added.status_code == 302


# Together


def test_fifty_parallel_requests_lose_nothing(layer: str) -> None:
    client = Client()
    do(client, "put", {"cart": [], "n": 0})
    clients = [twin(client) for _ in range(50)]
    threads = [threading.Thread(target=_write, args=(each, number)) for number, each in enumerate(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    data = client.get("/show").json()["data"]

    assert sorted(data["cart"]) == list(range(50))
    assert data["n"] == 50
    assert {f"k{number}" for number in range(50)} < data.keys()


def _write(client: Client, number: int) -> None:
    do(client, "put", {f"k{number}": number})
    do(client, "append", number)
    do(client, "increment")


@pytest.mark.parametrize("end", ["log-out", "revocation"])
def test_a_slow_write_does_not_bring_a_session_back(layer: str, ada: User, end: str) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(ada)
    slow = twin(client)
    for name in ("reached", "go"):
        (settings.FOLDER / name).unlink(missing_ok=True)
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(slow.post("/do/slow_write")))
    thread.start()
    while not (settings.FOLDER / "reached").exists():
        time.sleep(0.005)
    if end == "log-out":
        client.post("/logout")
    else:
        manager().revoke_all(str(ada.pk))
    (settings.FOLDER / "go").touch()
    thread.join()

    # Django's own SessionInterrupted, or the problem session-ended.
    assert found[0].status_code == (400 if layer == "django" else 401)
    assert not found[0].cookies
    assert slow.get("/show").json() | {"id": ""} == {"id": "", "user": None, "data": {}}


def test_a_changed_password_ends_the_user_s_other_sessions(layer: str, ada: User) -> None:
    here, elsewhere = Client(), Client()
    here.force_login(ada)
    elsewhere.force_login(ada)
    before = token(here)
    here.post("/password", {"password": "another"})

    assert len(manager().list(str(ada.pk))) == 1
    assert here.get("/show").json()["user"] == str(ada.pk)
    assert "Hello, ada" in here.get("/").content.decode()
    assert token(here) != before
    assert elsewhere.get("/show").json()["user"] is None


def test_a_password_that_somebody_else_changed_ends_the_session_at_the_next_look(layer: str, ada: User) -> None:
    client = Client()
    client.force_login(ada)
    ada.set_password("another")
    ada.save()

    assert client.get("/session/").json()["user_id"] is None
    assert manager().list(str(ada.pk)) == []


def test_a_renewed_secret_key_signs_nobody_out(layer: str, ada: User) -> None:
    here, elsewhere = Client(), Client()
    here.force_login(ada)
    elsewhere.force_login(ada)
    fallbacks = [settings.SECRET_KEY]
    with override_settings(SECRET_KEY="a new one, just as long as the other", SECRET_KEY_FALLBACKS=fallbacks):
        for client in (here, elsewhere, here, elsewhere):
            assert "Hello, ada" in client.get("/").content.decode()

    assert len(manager().list(str(ada.pk))) == 2


def test_two_requests_may_note_a_renewed_secret_key_at_once(ours: None, ada: User) -> None:
    client = Client()
    client.force_login(ada)
    both = [SessionStore(token(client)) for _ in range(2)]
    for session in both:
        session.load()
    for session in both:
        session.cycle_key()
        session["_auth_user_hash"] = "of the new key"
        session.lazy_exchange.finish()

    assert both[0].exists(both[0].session_key or "")
    assert both[1].lazy_exchange.headers()[1:] == []
    assert len(manager().list(str(ada.pk))) == 1


# Awaited


@pytest.mark.skipif(not hasattr(SessionStore, "aget"), reason="Django has them from 5.1 on")
def test_views_that_are_coroutines_log_in_and_out(layer: str, ada: User) -> None:
    import asyncio

    async def lazy() -> None:
        client = AsyncClient()
        await client.post("/ado/put", '{"a": 1}', content_type="application/json")
        await client.post("/ado/login", '"ada"', content_type="application/json")
        assert (await client.get("/show")).json()["user"] == str(ada.pk)
        assert (await client.get("/show")).json()["data"]["a"] == 1
        await client.post("/ado/logout", "null", content_type="application/json")
        assert token(client) == ""  # type: ignore[arg-type]  # the same for this

    asyncio.run(lazy())


# The client of the device


def test_a_session_knows_its_client(layer: str, ada: User) -> None:
    client = Client(HTTP_USER_AGENT="Firefox", REMOTE_ADDR="203.0.113.9")
    client.post("/login", {"username": "ada", "password": "sesame"})
    (found,) = manager().list(str(ada.pk))

    assert (found.ip, found.user_agent) == ("203.0.113.9", "Firefox")


def test_no_token_is_in_what_is_shown(layer: str, ada: User) -> None:
    client = Client()
    client.force_login(ada)
    secret = token(client)[-64:]
    request = HttpRequest()
    request.session = SessionStore(token(client))

    for page in ("/show", "/session/", "/session/sessions", "/session/devices/"):
        assert secret not in client.get(page).content.decode()
    assert secret not in repr(request.session) + str(request.session)


def test_a_problem_in_a_page_s_place_brings_the_token_of_a_log_in_that_was_committed_before(
    ours: None, ada: User
) -> None:
    def view(request: HttpRequest) -> HttpResponse:
        login(request, ada, backend="django.contrib.auth.backends.ModelBackend")
        request.session.save()
        request.session["large"] = "x" * 40_000
        return HttpResponse()

    answer: Any = SessionMiddleware(view)(RequestFactory().get("/", secure=True))

    assert answer.status_code == 413
    client = Client()
    client.cookies[settings.SESSION_COOKIE_NAME] = answer.cookies[settings.SESSION_COOKIE_NAME].value
    assert client.get("/show").json()["user"] == str(ada.pk)
