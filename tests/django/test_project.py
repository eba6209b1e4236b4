"""A project that changes two settings: log-in, log-out, messages, the admin and the test client, as before."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from sojourn.django import manager


def do(client: Client, what: str, body: Any = None) -> Any:
    answer = client.post(f"/do/{what}", json.dumps(body), content_type="application/json")
    assert answer.status_code == 200, answer.content
    return answer


def token(client: Client) -> str:
    morsel = client.cookies.get(settings.SESSION_COOKIE_NAME)
    return morsel.value if morsel else ""


def data(client: Client) -> Any:
    return client.get("/show").json()["data"]


def test_a_visitor_puts_into_the_bag_and_logs_in_with_it(layer: str, ada: User) -> None:
    client = Client()
    client.post("/bag", {"item": "tea"})
    anonymous = token(client)
    assert "tea" in client.get("/").content.decode()
    client.post("/login", {"username": "ada", "password": "sesame"})
    page = client.get("/").content.decode()

    assert "Hello, ada" in page
    assert "You are signed in." in page
    assert '<span id="bag">tea</span>' in page
    assert token(client) not in ("", anonymous)
    assert [session.user_id for session in manager().list(str(ada.pk))] == [str(ada.pk)]


def test_a_log_out_ends_the_session_and_the_cookie(layer: str, ada: User) -> None:
    client, thief = Client(), Client()
    client.post("/login", {"username": "ada", "password": "sesame"})
    thief.cookies[settings.SESSION_COOKIE_NAME] = token(client)
    client.post("/logout")

    assert token(client) == ""
    assert manager().list(str(ada.pk)) == []
    assert "stranger" in thief.get("/").content.decode()


def test_a_nested_change_is_kept(layer: str) -> None:
    client = Client()
    do(client, "put", {"cart": ["tea"]})
    do(client, "nested", "cup")

    assert data(client) == {"cart": ["tea", "cup"]}


def test_the_admin_works(layer: str, ada: User) -> None:
    client = Client()
    answer = client.post("/admin/login/?next=/admin/", {"username": "ada", "password": "sesame"}, follow=True)

    assert answer.status_code == 200
    assert "Site administration" in answer.content.decode()


def test_the_test_client_s_own_ways_work(layer: str, ada: User) -> None:
    client = Client()
    session = client.session
    session["theme"] = "dark"
    session.save()
    assert data(client) == {"theme": "dark"}
    client.force_login(ada)
    assert client.get("/show").json()["user"] == str(ada.pk)
    assert client.session["_auth_user_id"] == str(ada.pk)
    assert client.session["theme"] == "dark"
    client.logout()
    assert client.get("/show").json() == {"id": None, "user": None, "data": {}}
