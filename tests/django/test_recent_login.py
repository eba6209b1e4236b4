"""recent_login_required: views that ask for a log-in that is recent, or sure, enough."""

from __future__ import annotations

from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import User
from django.test import AsyncClient, Client

from .test_requests import TIME, counted, counting, do, token  # noqa: F401  # fixtures

VIEWS = ["/recent", "/recent-awaited", "/recent-class", "/recent-class-awaited"]
PAGE: Any = {"HTTP_SEC_FETCH_MODE": "navigate", "HTTP_ACCEPT": "text/html,*/*"}
SCRIPT: Any = {"HTTP_SEC_FETCH_MODE": "cors", "HTTP_ACCEPT": "*/*"}


@pytest.fixture(params=VIEWS)
def view(request: pytest.FixtureRequest) -> str:
    """The same view, as a function and as a class, plain and as a coroutine."""
    return str(request.param)


def test_a_recent_log_in_is_enough(counting: Any, ada: User, view: str) -> None:  # noqa: F811
    client = Client()
    do(client, "login", "ada")
    TIME[0] += 299_000

    assert client.get(view).content == b"recent"


def test_a_page_is_sent_to_log_in_and_back(counting: Any, ada: User, view: str) -> None:  # noqa: F811
    client = Client()
    nobody = client.get(f"{view}?a=1", **PAGE)
    do(client, "login", "ada")
    TIME[0] += 301_000
    late = client.get(f"{view}?a=1", **PAGE)

    assert nobody["Location"] == late["Location"] == f"/login?next={view}%3Fa%3D1"
    assert late.status_code == 302


def test_a_script_is_told_by_a_problem(counting: Any, ada: User, view: str) -> None:  # noqa: F811
    client = Client()
    nobody = client.get(view, **SCRIPT)
    do(client, "login", "ada")
    TIME[0] += 301_000
    late = client.get(view, **SCRIPT)

    assert nobody.status_code == late.status_code == 401
    assert late["Content-Type"] == "application/problem+json"
    assert nobody.json()["type"].endswith("login-required")
    assert late.json()["type"].endswith("reauthentication-required")
    assert late.json()["max_age"] == 300


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 302),
        ({"HTTP_ACCEPT": "text/html,application/xhtml+xml,*/*;q=0.8"}, 302),
        ({"HTTP_ACCEPT": "application/json"}, 401),
        ({"HTTP_ACCEPT": "*/*"}, 401),
        ({"HTTP_SEC_FETCH_MODE": "same-origin", "HTTP_ACCEPT": "text/html"}, 401),
    ],
)
def test_who_asks_for_a_page_is_redirected(ours: None, headers: Any, status: int) -> None:
    assert Client().get("/recent", **headers).status_code == status


@pytest.mark.parametrize("form", [True, False])
def test_a_second_log_in_of_the_same_user_is_recent(counting: Any, ada: User, form: bool) -> None:  # noqa: F811
    client = Client()
    do(client, "login", "ada")
    do(client, "put", {"cart": ["tea"]})
    before = token(client)
    TIME[0] += 301_000
    if form:
        answer = client.post("/login?next=/recent", {"username": "ada", "password": "sesame"})
        assert answer["Location"] == "/recent"
    else:
        do(client, "login", "ada")

    assert client.get("/recent").content == b"recent"
    assert client.get("/show").json()["data"]["cart"] == ["tea"]
    assert token(client) != before


def test_django_s_login_keeps_the_level_and_the_methods(layer: str, ada: User) -> None:
    client = Client()
    do(client, "login", "ada")
    low = client.get("/sure", **PAGE)
    do(client, "login_with_level", "ada")

    assert low["Location"] == "/second-factor?next=/sure"
    assert client.get("/sure").content == b"sure"
    assert do(client, "proof").json()["result"] == ["aal2", ["pwd", "otp"]]  # type: ignore[attr-defined]


def test_an_asgi_application_asks_as_well(ours: None) -> None:
    client = AsyncClient()

    @async_to_sync
    async def get(path: str, **more: Any) -> Any:
        return await client.get(path, **more)

    assert get("/recent-awaited", headers={"Accept": "application/json"}).status_code == 401
    assert get("/recent-class-awaited").status_code == 302
