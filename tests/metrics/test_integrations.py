"""An observed manager in each integration, with the line of docs/metrics.md by which Prometheus reads it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import prometheus_client
from flask import Flask
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from sojourn import AsyncSessionManager, SessionManager
from sojourn.asgi import SessionMiddleware
from sojourn.flask import init_app, session
from sojourn.metrics import Metrics
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore
from tests.metrics.exposed import series

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text("utf-8")
LOGGED_IN_AND_SEEN = {
    'sojourn_opens_total{outcome="live"}': 1,
    "sojourn_logins_total": 1,
    'sojourn_store_seconds_count{operation="get"}': 1,
}


def line(integration: str) -> str:
    """The line of the page."""
    [found] = re.findall(rf"^\| {integration}[^|]* \| `(.*)` \|$", PAGE, re.MULTILINE)
    return str(found)


def require_counted(text: str) -> None:
    told = series(text)
    assert {name: told[name] for name in LOGGED_IN_AND_SEEN} == LOGGED_IN_AND_SEEN


async def log_in(request: Request) -> Response:
    request.session.login("ada")  # type: ignore[attr-defined]
    return PlainTextResponse("hello")


async def who(request: Request) -> Response:
    return PlainTextResponse(str(request.session.user_id))  # type: ignore[attr-defined]


def test_starlette() -> None:
    assert line("Starlette") == 'app.mount("/metrics", prometheus_client.make_asgi_app())'
    registry = CollectorRegistry()
    manager = Metrics(registry).observe(AsyncSessionManager(AsyncMemoryStore()))
    app = Starlette(
        routes=[Route("/login", log_in, methods=["POST"]), Route("/", who)],
        middleware=[Middleware(SessionMiddleware, manager=manager)],
    )
    app.mount("/metrics", prometheus_client.make_asgi_app(registry))
    with TestClient(app, base_url="https://testserver") as client:
        client.post("/login")
        assert client.get("/").text == "ada"
        client.cookies.clear()
        require_counted(client.get("/metrics/").text)


def test_flask() -> None:
    registry = CollectorRegistry()
    app = Flask(__name__)
    init_app(app, Metrics(registry).observe(SessionManager(MemoryStore())))

    @app.post("/login")
    def log_in() -> str:
        session.login("ada")
        return "hello"

    @app.get("/")
    def who() -> str:
        return str(session.user_id)

    given = {"/metrics": prometheus_client.make_wsgi_app(registry)}
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, given)  # type: ignore[method-assign]
    client = app.test_client()
    assert line("Flask") == (
        'app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {"/metrics": prometheus_client.make_wsgi_app()})'
    )
    client.post("/login", base_url="https://localhost")
    assert client.get("/", base_url="https://localhost").text == "ada"
    client.delete_cookie("__Host-session", domain="localhost")
    require_counted(client.get("/metrics").text)


DJANGO = """
import json
import sys

import django
from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    INSTALLED_APPS=["sojourn.django"],
    MIDDLEWARE=["sojourn.django.SessionMiddleware"],
    ROOT_URLCONF="__main__",
    SECRET_KEY="x" * 50,
    SESSION_COOKIE_SECURE=True,
    SESSION_ENGINE="sojourn.django",
    SOJOURN={"store": "__main__.make_manager"},
)
django.setup()

from django.http import HttpResponse
from django.test import Client
from django.urls import path
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from sojourn import Policy, SessionManager
from sojourn.metrics import Metrics
from sojourn.stores.memory import MemoryStore

metrics = Metrics()


def make_manager():
    return metrics.observe(SessionManager(MemoryStore(), Policy()))


def visit(request):
    request.session["n"] = request.session.get("n", 0) + 1
    return HttpResponse(str(request.session["n"]))


urlpatterns = [path("", visit), LINE]
client = Client(headers={"host": "localhost"})
counts = [client.get("/", secure=True).content.decode() for _ in range(2)]
print(json.dumps([counts, Client().get("/metrics", secure=True).content.decode()]))
"""


def test_django(tmp_path: Path) -> None:
    program = tmp_path / "project.py"
    program.write_text(DJANGO.replace("LINE", line("Django")))
    done = subprocess.run([sys.executable, program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    counts, text = json.loads(done.stdout)

    assert counts == ["1", "2"]
    told = series(text)
    assert told["sojourn_sessions_created_total"] == 1
    assert told['sojourn_opens_total{outcome="live"}'] == 1
    assert told['sojourn_store_seconds_count{operation="commit"}'] == 1
