"""Django's caches: whose page is given to whom, with Django's SessionMiddleware and with ours (docs/caches.md)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.test.utils import override_settings
from django.urls import path
from django.views.decorators.cache import cache_page
from django.views.decorators.vary import vary_on_cookie

UPDATE, FETCH = (f"django.middleware.cache.{name}CacheMiddleware" for name in ("Update", "FetchFrom"))


def log_in(request: HttpRequest, name: str) -> HttpResponse:
    request.session["name"] = name
    return HttpResponse("in")


def hello(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"hello {request.session.get('name')}")


def begin(request: HttpRequest) -> HttpResponse:
    request.session["cart"] = ["tea"]
    return HttpResponse("begun")


def public(request: HttpRequest) -> HttpResponse:
    public.count += 1  # type: ignore[attr-defined]  # how often it was asked
    return HttpResponse(str(public.count))  # type: ignore[attr-defined]


public.count = 0  # type: ignore[attr-defined]

urlpatterns = [
    path("log-in/<str:name>", log_in),
    path("hello", hello),
    path("begin", begin),
    path("public", public),
    path("plain", cache_page(60)(hello)),
    path("line", cache_page(60)(vary_on_cookie(hello))),
    path("page/begin", cache_page(60)(vary_on_cookie(begin))),
]


@pytest.fixture(autouse=True)
def _pages(layer: str) -> Iterator[None]:
    caches: dict[str, Any] = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    with override_settings(ROOT_URLCONF=__name__, CACHES=caches):
        cache.clear()
        yield
        cache.clear()


@pytest.fixture
def _site_wide(_pages: None) -> Iterator[None]:
    with override_settings(MIDDLEWARE=[UPDATE, *settings.MIDDLEWARE, FETCH]):
        yield


def member(name: str) -> Client:
    client = Client()
    assert client.get(f"/log-in/{name}", secure=True).content == b"in"
    return client


def page(client: Client, path: str) -> str:
    answer = client.get(path, secure=True)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.usefixtures("_site_wide")
def test_the_site_wide_cache_gives_everybody_a_page_of_their_own() -> None:
    ada, bob, visitor = member("ada"), member("bob"), Client()

    for _ in range(3):
        assert [page(each, "/hello") for each in (ada, bob, visitor)] == ["hello ada", "hello bob", "hello None"]
    assert page(ada, "/public") == page(bob, "/public") == page(Client(), "/public")


@pytest.mark.usefixtures("_site_wide")
def test_the_site_wide_cache_gives_nobody_anothers_cookie() -> None:
    tokens = [Client().get("/begin", secure=True).cookies[settings.SESSION_COOKIE_NAME].value for _ in range(2)]

    assert tokens[0] != tokens[1]


def test_cache_page_keeps_what_the_view_returned_and_gives_it_to_the_next_visitor() -> None:
    """As with any of Django's own sessions: it looks at the answer before SessionMiddleware says that it varies."""
    assert [page(each, "/plain") for each in (member("ada"), Client())] == ["hello ada", "hello ada"]


def test_cache_page_over_vary_on_cookie_gives_everybody_a_page_of_their_own() -> None:
    ada, bob, visitor = member("ada"), member("bob"), Client()

    for _ in range(3):
        assert [page(each, "/line") for each in (ada, bob, visitor)] == ["hello ada", "hello bob", "hello None"]


def test_cache_page_gives_nobody_anothers_cookie() -> None:
    first, second = (Client().get("/page/begin", secure=True) for _ in range(2))

    assert first.cookies[settings.SESSION_COOKIE_NAME].value
    assert settings.SESSION_COOKIE_NAME not in second.cookies
