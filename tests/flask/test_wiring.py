"""What is set up, and what is told at start-up where it is set up wrongly."""

from __future__ import annotations

import logging
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any
from wsgiref.types import WSGIApplication

import pytest
from flask import Blueprint, Flask
from flask_session import Session as FlaskSessionExtension  # type: ignore[import-untyped]
from flask_wtf import CSRFProtect  # type: ignore[import-untyped]
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from sojourn import AsyncSessionManager, ConfigurationError, CookieOptions, SessionManager
from sojourn.flask import BrowserEndpoints, commit, init_app, manager_of
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore
from sojourn.wsgi import SessionMiddleware
from tests.flask.world import URL, World

ELSEWHERE = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}


@pytest.fixture
def manager() -> SessionManager:
    return SessionManager(MemoryStore())


# Mistakes


def test_init_app_twice_is_told(manager: SessionManager) -> None:
    app = Flask(__name__)
    init_app(app, manager)

    with pytest.raises(ConfigurationError, match="twice"):
        init_app(app, manager)


def test_one_manager_serves_the_applications_of_a_factory(manager: SessionManager) -> None:
    def create_app() -> Flask:
        app = Flask(__name__)
        init_app(app, manager)
        app.register_blueprint(BrowserEndpoints())
        return app

    assert [manager_of(create_app()) for _ in range(2)] == [manager, manager]


def test_a_manager_for_event_loops_is_told() -> None:
    wrong: Any = AsyncSessionManager(AsyncMemoryStore())

    with pytest.raises(ConfigurationError, match="threads need a SessionManager"):
        init_app(Flask(__name__), wrong)


def flask_session(app: Flask, folder: Path) -> None:
    # Its default, and the only one that needs no server, is the one that it warns of.
    app.config.update(SESSION_TYPE="filesystem", SESSION_FILE_DIR=str(folder))
    FlaskSessionExtension(app)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_second_session_layer_is_told_whichever_comes_first(manager: SessionManager, tmp_path: Path) -> None:
    before, after = Flask(__name__), Flask(__name__)
    flask_session(before, tmp_path)
    with pytest.raises(ConfigurationError, match="another session layer, flask_session"):
        init_app(before, manager)

    init_app(after, manager)
    flask_session(after, tmp_path)
    after.testing = True
    with pytest.raises(ConfigurationError, match=r"replaced app\.session_interface"):
        after.test_client().get("/")


def test_endpoints_without_sessions_are_told() -> None:
    with pytest.raises(ConfigurationError, match="init_app"):
        Flask(__name__).register_blueprint(BrowserEndpoints())


@pytest.mark.parametrize("user_key", ["user", "user.id"])
def test_a_browser_may_not_write_who_is_logged_in(manager: SessionManager, user_key: str) -> None:
    app = Flask(__name__)
    init_app(app, manager, user_key=user_key)

    with pytest.raises(ConfigurationError, match="who is logged in"):
        app.register_blueprint(BrowserEndpoints(writable={"user"}))


def test_a_layer_of_ours_around_the_application_is_told(manager: SessionManager) -> None:
    app = World().app
    app.wsgi_app = SessionMiddleware(app.wsgi_app, manager)  # type: ignore[method-assign]

    with pytest.raises(ConfigurationError, match="one inside the other"):
        app.test_client().get("/show")


def test_without_flask_the_extra_is_named() -> None:
    code = "import sys; sys.modules['flask'] = None; import sojourn.flask"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert run.stderr.endswith(
        "ImportError: sojourn.flask needs Flask: pip install '.[flask]' in a checkout of Sojourn\n"
    )


def test_an_application_without_sessions_is_told() -> None:
    app = Flask(__name__)
    with pytest.raises(ConfigurationError, match="init_app"):
        manager_of(app)
    with app.test_request_context(), pytest.raises(ConfigurationError, match="init_app"):
        commit()


# Flask's settings


def test_flask_s_settings_for_the_cookie_are_taken_over() -> None:
    app = Flask(__name__)
    app.config.update(SESSION_COOKIE_NAME="shop", SESSION_COOKIE_DOMAIN=".shop.test", SESSION_COOKIE_SAMESITE="Strict")
    world = World(app)
    answer = world.browser.post("/put", json={"a": 1}, base_url="https://www.shop.test")

    assert answer.headers["Set-Cookie"].startswith("shop=sj1-")
    assert answer.headers["Set-Cookie"].endswith("; Path=/; Domain=shop.test; Secure; HttpOnly; SameSite=Strict")


def test_the_settings_say_what_is_so() -> None:
    app = World().app

    assert app.session_interface.get_cookie_name(app) == "__Host-session"
    assert app.session_interface.get_cookie_secure(app) is True
    assert app.session_interface.get_cookie_samesite(app) == "Lax"


def test_a_cookie_for_a_domain_or_a_path_cannot_be_host_only() -> None:
    app = Flask(__name__)
    app.config["SESSION_COOKIE_PATH"] = "/shop"
    World(app)

    assert app.config["SESSION_COOKIE_NAME"] == "__Secure-session"


def shop_under(prefix: str) -> Flask:
    app = Flask(__name__)
    app.config["APPLICATION_ROOT"] = prefix
    return World(app).app


def test_two_applications_under_prefixes_stay_apart() -> None:
    shops: dict[str, WSGIApplication] = {prefix: shop_under(prefix) for prefix in ("/tea", "/cups")}
    browser = Client(DispatcherMiddleware(lambda environ, start: [], shops))
    users = {"/tea": "ada", "/cups": "bob"}
    for prefix, user in users.items():
        cookie = browser.post(f"{prefix}/in/{user}", base_url=URL).headers["Set-Cookie"]
        assert cookie.startswith("__Secure-session=sj1-")
        assert f"; Path={prefix};" in cookie

    def seen() -> list[str]:
        return [browser.get(f"{prefix}/session/", base_url=URL).get_json()["status"] for prefix in users]

    assert seen() == ["active", "active"]
    browser.post("/tea/out", base_url=URL)
    assert seen() == ["none", "active"]


def test_usual_hardening_is_no_contradiction(manager: SessionManager) -> None:
    app = Flask(__name__)
    app.config.update(SESSION_COOKIE_SECURE=True, SESSION_COOKIE_HTTPONLY=True, SESSION_COOKIE_SAMESITE="Lax")
    init_app(app, manager, cookie=CookieOptions())


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("PERMANENT_SESSION_LIFETIME", timedelta(days=7)),
        ("PERMANENT_SESSION_LIFETIME", 3600),
        ("SESSION_COOKIE_HTTPONLY", False),
        ("SESSION_COOKIE_NAME", "other"),
        ("SESSION_COOKIE_DOMAIN", "shop.test"),
        ("SESSION_COOKIE_SAMESITE", "Strict"),
        ("SESSION_COOKIE_PARTITIONED", True),
    ],
    ids=str,
)
def test_a_setting_that_would_be_in_vain_is_told(manager: SessionManager, setting: str, value: object) -> None:
    app = Flask(__name__)
    app.config[setting] = value

    with pytest.raises(ConfigurationError, match=f"{setting} is in vain"):
        init_app(app, manager, cookie=CookieOptions(name="mine"))


@pytest.mark.parametrize(
    ("url", "headers", "told"),
    [
        ("http://shop.test", {}, True),
        ("http://192.0.2.7:5000", {}, True),
        ("http://localhost:5000", {}, False),
        ("http://127.0.0.1:5000", {}, False),
        ("http://[::1]:5000", {}, False),
        ("https://shop.test", {}, False),
        ("http://shop.test", {"X-Forwarded-Proto": "https"}, False),
    ],
)
def test_a_secure_cookie_over_plain_http_is_told_once(
    url: str, headers: dict[str, str], told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    world = World()
    for _ in range(2):
        world.new_browser().post("/put", json={"a": 1}, base_url=url, headers=headers)

    assert caplog.text.count("browsers drop") == told


def test_a_cookie_that_is_meant_for_plain_http_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    world = World(cookie=CookieOptions(insecure_http=True))
    world.browser.post("/put", json={"a": 1}, base_url="http://192.0.2.7:5000")

    assert caplog.text == ""


@pytest.mark.parametrize("name", ["session", "__Host-session", "__secure-shop"])
def test_a_cookie_s_name_without_a_prefix_is_told_at_start(name: str, caplog: pytest.LogCaptureFixture) -> None:
    World(cookie=CookieOptions(name=name))

    told = [record.getMessage() for record in caplog.records if record.name == "sojourn"]
    assert [line.partition(":")[0] for line in told] == (
        ["The session's cookie is named session"] if name == "session" else []
    )


# CSRF


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (ELSEWHERE, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Origin": "http://localhost"}, 200),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://app.example"}, 200),
        ({}, 200),
    ],
)
def test_an_unsafe_request_from_another_origin_is_refused(headers: dict[str, str], status: int) -> None:
    world = World(trusted_origins=["https://app.example"])
    answer = world.browser.post("/put", json={"a": 1}, headers=headers)

    assert answer.status_code == status
    assert len(world.store.asked) == (status == 200)


def test_nothing_of_the_application_runs_for_a_refused_request() -> None:
    app = Flask(__name__)
    app.before_request(lambda: pytest.fail("ran"))

    assert World(app).browser.post("/put", headers=ELSEWHERE).status_code == 403


class Forms(World):
    """The world with Flask-WTF's CSRFProtect, set up before or after."""

    def __init__(self, order: str, **config: Any) -> None:
        app, csrf = Flask(__name__), CSRFProtect()
        app.config.update(SECRET_KEY="for the tokens", **config)
        if order == "before":
            csrf.init_app(app)
        super().__init__(app)
        if order == "after":
            csrf.init_app(app)

        @app.get("/token")
        def token() -> Any:
            return {"token": app.jinja_env.globals["csrf_token"]()}  # type: ignore[operator]

        @app.post("/hook")
        @csrf.exempt  # type: ignore[untyped-decorator]
        def hook() -> Any:
            return {}


@pytest.mark.parametrize("order", ["before", "after"])
def test_where_flask_wtf_checks_tokens_ours_stands_back(order: str) -> None:
    world = Forms(order)
    url = {"base_url": "https://shop.test"}
    bad = {"Referer": "https://shop.test/"}
    token = world.browser.get("/token", **url).get_json()["token"]
    good = {"X-CSRFToken": token, **bad}

    assert world.browser.post("/put", json={"a": 1}, headers=bad, **url).status_code == 400
    assert world.browser.post("/put", json={"a": 1}, headers=good, **url).status_code == 200
    # What was made exempt on purpose, a bank's callback say, may come from elsewhere.
    assert world.browser.post("/hook", headers=ELSEWHERE, **url).status_code == 200


@pytest.mark.parametrize("order", ["before", "after"])
def test_our_endpoints_need_no_token_and_still_refuse_other_origins(order: str) -> None:
    world = Forms(order)

    assert world.browser.post("/session/start", json={}).status_code == 200
    refused = world.browser.post("/session/logout", headers=ELSEWHERE)
    assert (refused.status_code, refused.get_json(force=True)["type"]) == (403, "urn:sojourn:problem:cross-origin")


@pytest.mark.parametrize("setting", ["WTF_CSRF_ENABLED", "WTF_CSRF_CHECK_DEFAULT"])
def test_where_flask_wtf_does_not_check_everything_ours_does(setting: str) -> None:
    world = Forms("before", **{setting: False})

    assert world.browser.post("/put", json={"a": 1}).status_code == 200
    assert world.browser.post("/put", json={"a": 1}, headers=ELSEWHERE).status_code == 403


# Endpoints


def test_a_browser_starts_reads_changes_and_ends_a_session() -> None:
    browser = World().browser

    assert browser.get("/session").get_json()["status"] == "none"
    assert browser.post("/session/start", json={"data": {"theme": "dark"}}).get_json()["data"] == {"theme": "dark"}
    assert browser.patch("/session/", json={"set": {"theme": "light"}}).get_json()["data"] == {"theme": "light"}
    assert browser.post("/session/touch").get_json()["status"] == "active"
    answer = browser.post("/session/logout")
    assert answer.get_json()["end_reason"] == "logout"
    assert "Max-Age=0" in answer.headers["Set-Cookie"]
    assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_devices_are_listed_and_ended() -> None:
    world = World()
    here, elsewhere = world.browser, world.new_browser()
    here.post("/in/ada")
    elsewhere.post("/in/ada")
    listed = here.get("/session/sessions").get_json()["sessions"]
    other = next(each["id"] for each in listed if not each["current"])

    assert here.delete(f"/session/sessions/{other}").json == {"ended": 1}
    assert elsewhere.get("/session").get_json()["end_reason"] == "revoked"


def test_the_client_is_served_and_known_again() -> None:
    browser = World().browser
    answer = browser.get("/session/client.js")

    assert b"createSessionClient" in answer.data
    assert answer.headers["Cache-Control"] == "max-age=3600"
    assert browser.get("/session/client.js", headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    head = browser.head("/session/client.js")
    assert (head.data, head.headers["Content-Length"]) == (b"", str(len(answer.data)))
    assert browser.put("/session").status_code == 405
    assert browser.get("/session/nothing").status_code == 404


def test_a_body_that_is_too_long_or_read_already_is_no_trouble() -> None:
    app = Flask(__name__)
    app.before_request(lambda: None)
    world = World(app)
    too_long = b'{"data": {"theme": "' + b"x" * 70_000 + b'"}}'

    assert world.browser.post("/session/start", data=too_long, content_type="application/json").status_code == 413

    app = Flask(__name__)

    @app.before_request
    def read() -> None:
        from flask import request

        request.get_data()

    started = World(app).browser.post("/session/start", json={"data": {"theme": "dark"}})
    assert started.get_json()["data"] == {"theme": "dark"}


def test_the_endpoints_can_be_elsewhere_and_in_another_blueprint() -> None:
    world = World(endpoints=False)
    api = Blueprint("api", __name__, url_prefix="/api")
    api.register_blueprint(BrowserEndpoints(url_prefix="/who"))
    world.app.register_blueprint(api)

    assert world.browser.get("/api/who").get_json()["status"] == "none"
    with world.app.test_request_context():
        assert world.app.url_for("api.sojourn.endpoints", path="client.js") == "/api/who/client.js"


def test_a_script_s_token_is_refused_unless_it_is_allowed() -> None:
    bearer = {"Sojourn-Transport": "bearer"}
    refused, allowed = World(), World(script_readable_tokens=True)

    assert refused.browser.post("/in/ada", headers=bearer).status_code == 400
    token = allowed.browser.post("/in/ada", headers=bearer).headers["Sojourn-Token"]
    answer = allowed.browser.get("/session", headers={"Authorization": f"Bearer {token}", **ELSEWHERE})
    assert answer.get_json()["user_id"] == "ada"
    assert answer.headers["Vary"] == "Cookie, Authorization"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SESSION_COOKIE_NAME", "mine"),
        ("SESSION_COOKIE_SECURE", False),
        ("SESSION_COOKIE_HTTPONLY", False),
        ("SESSION_COOKIE_SAMESITE", "Strict"),
        ("PERMANENT_SESSION_LIFETIME", timedelta(hours=1)),
    ],
)
def test_a_setting_that_is_made_after_init_app_is_refused_aloud_at_every_request(name: str, value: object) -> None:
    world = World()
    world.app.config[name] = value

    for _ in range(2):
        with pytest.raises(ConfigurationError, match=f"{name} was set after sojourn.flask.init_app"):
            world.browser.get("/plain")
