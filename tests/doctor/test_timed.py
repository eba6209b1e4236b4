"""Time: sessions that are to end by themselves, answers that come to no end, and a run that must."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random

import flask
import pytest
from werkzeug.serving import make_server

from sojourn import Policy, SessionManager, open_store
from sojourn.doctor import examine_app
from sojourn.doctor.timeout_checks import absolute_timeout, idle_timeout
from sojourn.flask import init_app, session
from sojourn.torture.app import AppEndpoint, Application, AppRaceContext, Browser, Site

from .cart import Cart, serve_cart


@pytest.fixture
def cart() -> Iterator[Cart]:
    with serve_cart() as running:
        yield running


@contextmanager
def shop(policy: Policy) -> Iterator[AppRaceContext]:
    """Sojourn under Flask."""
    app = flask.Flask(__name__)
    init_app(app, SessionManager(open_store("memory:"), policy))

    @app.post("/login")
    def log_in() -> dict[str, str]:
        session.login("ada")
        return {}

    @app.post("/cart/<item>")
    def put(item: str) -> dict[str, str]:
        session.setdefault("cart", []).append(item)
        return {}

    @app.get("/")
    def show() -> list[str]:
        return list(session.get("cart", []))

    server = make_server("127.0.0.1", 0, app, threaded=True)
    threading.Thread(target=server.serve_forever, args=(0.02,)).start()
    ends = [("POST", "/login"), ("POST", "/cart/{n}"), ("GET", "/"), ("POST", "/logout")]
    site = Site.parse(f"http://127.0.0.1:{server.server_port}", {})
    log_in_, write, read, log_out = (AppEndpoint(method, path, "") for method, path in ends)
    try:
        yield AppRaceContext(Application(site, log_in_, write, read, log_out), Random(1), 1, print)
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("policy", "seconds", "severity"),
    [(Policy(), 0.1, "medium"), (Policy(idle_timeout=1, absolute_timeout=1, touch_interval=0), 1.05, "good")],
)
def test_a_session_that_ended_in_time_is_good_and_one_that_did_not_is_told(
    policy: Policy, seconds: float, severity: str
) -> None:
    checks = [idle_timeout(seconds), absolute_timeout(seconds)]
    with shop(policy) as context:
        found = [(finding.check, finding.severity) for check in checks for finding in check.findings(context)]

    assert found == [("idle timeout", severity), ("absolute timeout", severity)]


@pytest.mark.parametrize("piece", [b"x", b"X-Drop: 1\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"])
def test_an_answer_that_comes_in_drops_is_given_up_whatever_drips(cart: Cart, piece: bytes) -> None:
    cart.spoil = lambda handler: handler.drip(piece)
    site = Site.parse(cart.url, {})._replace(patience=0.2)

    answer = Browser(site).send(AppEndpoint("GET", "/", ""))

    assert answer.status == 0


def test_a_run_ends_when_its_time_is_over_and_says_what_it_did_not_see(cart: Cart) -> None:
    cart.spoil = lambda handler: handler.cart.answers > 30 and handler.drip(b"x")
    app = cart.application
    found = examine_app(app._replace(site=app.site._replace(patience=0.3)), 1, print, longest=1.0)

    severities = [finding.severity for finding in found]
    assert severities[:2] == ["good", "good"]
    assert severities[-3:] == ["broken off", "not tried", "not tried"]
    assert "good" not in severities[severities.index("broken off") :]
