"""A project whose sessions a session service keeps, and so shares with other back ends."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from django.test.utils import override_settings

from sojourn.django import manager
from sojourn.remote import RemoteSessionManager
from tests.conftest import StartServer
from tests.remote.service import Service, command, make_key

SERVICE: list[Service] = []


def remote_manager() -> RemoteSessionManager:
    return RemoteSessionManager(SERVICE[-1].url, SERVICE[-1].key)


@pytest.fixture(scope="module")
def service(start_server: StartServer, tmp_path_factory: pytest.TempPathFactory) -> Service:
    folder = tmp_path_factory.mktemp("service")
    key = make_key(folder / "keys.json")
    found = Service(start_server(command(folder, folder / "keys.json", ""), path="/health"), folder / "keys.json", key)
    SERVICE.append(found)
    return found


@pytest.fixture
def shared(layer: str, service: Service) -> Iterator[str]:
    with override_settings(SOJOURN={"store": "tests.django.test_remote.remote_manager", "writable": ["theme"]}):
        yield layer


def do(client: Client, what: str, body: Any = None) -> Any:
    answer = client.post(f"/do/{what}", json.dumps(body), content_type="application/json")
    assert answer.status_code == 200, answer.content
    return answer


def test_a_visit_from_the_bag_to_the_log_out(shared: str, ada: User) -> None:
    client = Client()
    do(client, "put", {"cart": ["tea"]})
    do(client, "nested", "cup")
    client.post("/login", {"username": "ada", "password": "sesame"})
    assert client.get("/show").json()["user"] == str(ada.pk)
    assert client.get("/show").json()["data"]["cart"] == ["tea", "cup"]
    assert not client.get("/show").cookies
    other = Client()
    other.force_login(ada)
    client.post("/password", {"password": "another"})
    assert len(manager().list(str(ada.pk))) == 1
    assert other.get("/show").json()["user"] is None
    client.post("/logout")

    assert settings.SESSION_COOKIE_NAME not in {name for name, morsel in client.cookies.items() if morsel.value}
    assert manager().list(str(ada.pk)) == []


def test_the_browser_s_endpoints_work(shared: str) -> None:
    client = Client()
    started = client.post("/session/start", '{"data": {"theme": "dark"}}', content_type="application/json")

    assert started.json()["data"] == {"theme": "dark"}
    assert client.get("/session/").json()["data"] == {"theme": "dark"}


def test_set_expiry_is_judged_by_the_project(shared: str) -> None:
    client = Client()
    do(client, "put", {"a": 1})
    do(client, "expiry", -1)

    assert client.get("/show").json()["data"] == {}
