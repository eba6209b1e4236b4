"""The middleware in frameworks that have sessions, mounts and answers to exceptions of their own."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from hypercorn.middleware.dispatcher import AsyncioDispatcherMiddleware
from litestar import Litestar, Request, WebSocket, asgi, get, post, websocket
from litestar.exceptions import LitestarException
from litestar.middleware import DefineMiddleware
from litestar.middleware.session.server_side import ServerSideSessionConfig
from quart import Quart, flash, get_flashed_messages, jsonify, session
from quart import request as quart_request
from quart import websocket as quart_websocket
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware as StarletteSessionMiddleware
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from sojourn import AsyncSessionManager, ConfigurationError, CookieOptions, Policy
from sojourn.asgi import BrowserEndpoints, QuartSessions, SessionMiddleware, commit, mount, session_of
from sojourn.asgi.types import App
from sojourn.stores.memory import AsyncMemoryStore

AnyRequest = Request[Any, Any, Any]


def new_manager() -> AsyncSessionManager:
    return AsyncSessionManager(AsyncMemoryStore())


def visit(app: App) -> TestClient:
    return TestClient(app, base_url="https://testserver")


# A response that failed


async def fails(request: StarletteRequest) -> Response:
    request.session["failed"] = True
    request.session.setdefault("cart", []).append("never bought")
    return Response(status_code=int(request.path_params["status"]))


async def pays(request: StarletteRequest) -> Response:
    request.session["paid"] = True
    await commit(request)
    request.session["failed"] = True
    return Response(status_code=502)


async def show(request: StarletteRequest) -> Response:
    return JSONResponse(dict(request.session))


ROUTES = [Route("/fails/{status}", fails), Route("/pays", pays), Route("/show", show)]


@pytest.mark.parametrize("status", [500, 503])
def test_a_response_that_says_the_server_failed_keeps_no_change(status: int) -> None:
    client = visit(SessionMiddleware(Starlette(routes=ROUTES), new_manager()))
    answer = client.get(f"/fails/{status}")

    assert answer.status_code == status
    assert "set-cookie" not in answer.headers
    assert client.get("/show").json() == {}


def test_a_response_that_refuses_the_client_keeps_what_was_changed() -> None:
    client = visit(SessionMiddleware(Starlette(routes=ROUTES), new_manager()))
    client.get("/fails/404")

    assert client.get("/show").json() == {"failed": True, "cart": ["never bought"]}


def test_what_was_committed_before_the_failure_is_kept_and_the_browser_gets_its_cookie() -> None:
    client = visit(SessionMiddleware(Starlette(routes=ROUTES), new_manager()))

    assert client.get("/pays").status_code == 502
    assert client.get("/show").json() == {"paid": True}


# Two session layers


def test_starlette_s_own_sessions_inside_are_told_at_the_first_request() -> None:
    inside = Middleware(StarletteSessionMiddleware, secret_key="x")
    client = visit(SessionMiddleware(Starlette(routes=ROUTES, middleware=[inside]), new_manager()))

    with pytest.raises(ConfigurationError, match="a session layer inside of SessionMiddleware") as told:
        client.get("/show")
    assert "Take that one out" in str(told.value)


def test_starlette_s_own_sessions_around_are_told_at_the_first_request() -> None:
    client = visit(StarletteSessionMiddleware(SessionMiddleware(Starlette(routes=ROUTES), new_manager()), "x"))

    with pytest.raises(ConfigurationError, match="another session layer is around SessionMiddleware"):
        client.get("/show")


def test_the_middleware_twice_is_told_at_the_first_request() -> None:
    manager = new_manager()
    client = visit(SessionMiddleware(SessionMiddleware(Starlette(routes=ROUTES), manager), manager))

    with pytest.raises(ConfigurationError, match="twice"):
        client.get("/show")


def test_a_mounted_application_may_have_sessions_with_a_cookie_of_its_own() -> None:
    async def put(request: StarletteRequest) -> Response:
        request.session[request.url.path] = True
        return JSONResponse(dict(request.session))

    inner = SessionMiddleware(Route("/put", put), new_manager(), cookie=CookieOptions(name="__Host-inner"))
    app = Starlette(routes=[Route("/put", put), Mount("/inner", inner)])
    client = visit(SessionMiddleware(app, new_manager()))

    assert client.get("/put").json() == {"/put": True}
    assert client.get("/inner/put").json() == {"/inner/put": True}
    assert client.get("/put").json() == {"/put": True}


def test_no_middleware_at_all_is_told() -> None:
    async def page(request: StarletteRequest) -> Response:
        session_of(request)
        raise AssertionError

    with pytest.raises(ConfigurationError, match="put SessionMiddleware"):
        visit(Starlette(routes=[Route("/", page)])).get("/")


# Plain http


def test_a_secure_cookie_over_plain_http_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    async def put(request: StarletteRequest) -> Response:
        request.session["a"] = 1
        return JSONResponse({})

    app = SessionMiddleware(Starlette(routes=[Route("/", put)]), new_manager())
    for url in ("http://localhost:8000", "https://app.test", "http://app.test", "http://app.test"):
        TestClient(app, base_url=url).get("/")

    assert [record.getMessage()[:62] for record in caplog.records if record.name == "sojourn"] == [
        "A Secure cookie was set over plain http for app.test, and brow"
    ]


def test_plain_http_that_was_asked_for_is_not_told(caplog: pytest.LogCaptureFixture) -> None:
    async def put(request: StarletteRequest) -> Response:
        request.session["a"] = 1
        return JSONResponse({})

    cookie = CookieOptions(insecure_http=True)
    app = SessionMiddleware(Starlette(routes=[Route("/", put)]), new_manager(), cookie=cookie)
    TestClient(app, base_url="http://app.test").get("/")

    assert [record for record in caplog.records if record.name == "sojourn"] == []


@pytest.mark.parametrize("name", ["session", "__Host-session", "__secure-shop"])
def test_a_cookie_s_name_without_a_prefix_is_told_at_start(name: str, caplog: pytest.LogCaptureFixture) -> None:
    SessionMiddleware(Starlette(), new_manager(), cookie=CookieOptions(name=name))

    told = [record.getMessage() for record in caplog.records if record.name == "sojourn"]
    assert [line.partition(":")[0] for line in told] == (
        ["The session's cookie is named session"] if name == "session" else []
    )


# Litestar


@post("/log-in", status_code=200)
async def log_in(request: AnyRequest) -> None:
    session_of(request).login("ada")


@post("/put", status_code=200)
async def put(request: AnyRequest) -> None:
    request.session.update(await request.json())


@post("/set", status_code=200)
async def set_session(request: AnyRequest) -> dict[str, Any]:
    request.set_session(await request.json())
    request.session["after"] = True
    return request.session


@post("/clear", status_code=200)
async def clear_session(request: AnyRequest) -> None:
    request.clear_session()


@post("/set-and-commit", status_code=200)
async def set_and_commit(request: AnyRequest) -> dict[str, Any]:
    request.set_session(await request.json())
    await commit(request)
    return {"id": session_of(request).id, "data": dict(request.session)}


@post("/set-a-list", status_code=200)
async def set_a_list(request: AnyRequest) -> None:
    request.set_session(["no", "mapping"])  # type: ignore[arg-type]  # as somebody might


@get("/show")
async def litestar_show(request: AnyRequest) -> dict[str, Any]:
    return {"user": session_of(request).user_id, "data": dict(request.session)}


HANDLERS = [log_in, put, set_session, clear_session, set_and_commit, set_a_list, litestar_show]


def litestar(manager: AsyncSessionManager, *middleware: Any, **options: Any) -> Litestar:
    ours = DefineMiddleware(SessionMiddleware, manager=manager, **options)
    endpoints = asgi("/session", is_mount=True, copy_scope=True)(BrowserEndpoints(writable={"theme"}))
    return Litestar([*HANDLERS, endpoints], middleware=[ours, *middleware], openapi_config=None)


def raises_in_litestar() -> pytest.RaisesExc[LitestarException]:
    """What is raised while its answer is sent, Litestar raises another from."""
    return pytest.raises(LitestarException, match="after response started")


def traceback_of(error: BaseException) -> str:
    """What the developer reads in the log."""
    return "".join(traceback.format_exception(error))


@pytest.mark.parametrize(
    ("asked", "status"), [("/auth/callback", 200), ("/callback", 403), ("/other/auth/callback", 403)]
)
def test_a_cross_site_path_is_the_whole_one_below_a_mount_that_cuts_it(asked: str, status: int) -> None:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("here")(scope, receive, send)

    inside = SessionMiddleware(answer, new_manager(), cross_site_paths={"/auth/callback"})
    mounts = [asgi(path, is_mount=True, copy_scope=True)(inside) for path in ("/auth", "/other", "/")]
    with visit(Litestar(mounts, openapi_config=None)) as client:
        assert client.post(asked, headers={"origin": "https://provider.example"}).status_code == status


def test_litestar_s_request_session_is_the_session() -> None:
    with visit(litestar(new_manager())) as client:
        client.post("/log-in")
        client.post("/put", json={"cart": ["tea"]})

        assert client.get("/show").json() == {"user": "ada", "data": {"cart": ["tea"]}}
        assert client.get("/session/").json()["user_id"] == "ada"
        assert len(client.get("/session/sessions").json()["sessions"]) == 1


def test_litestar_s_set_session_gives_the_session_other_contents() -> None:
    with visit(litestar(new_manager())) as client:
        client.post("/log-in")
        client.post("/put", json={"old": 1, "same": [1]})

        assert client.post("/set", json={"same": [1], "new": 2}).json() == {"same": [1], "new": 2, "after": True}
        assert client.get("/show").json() == {"user": "ada", "data": {"same": [1], "new": 2, "after": True}}


def test_litestar_s_clear_session_is_a_log_out() -> None:
    with visit(litestar(new_manager())) as client:
        client.post("/log-in")
        stale = client.cookies["__Host-session"]
        answer = client.post("/clear")

        assert "Max-Age=0" in answer.headers["set-cookie"]
        client.cookies.set("__Host-session", stale)
        assert client.get("/session/").json()["end_reason"] == "logout"


def test_litestar_s_set_session_is_seen_by_a_commit_before_the_answer() -> None:
    with visit(litestar(new_manager())) as client:
        told = client.post("/set-and-commit", json={"a": 1}).json()

        assert told["data"] == {"a": 1}
        assert client.get("/session/").json()["id"] == told["id"]


def test_litestar_s_set_session_takes_a_dict() -> None:
    with visit(litestar(new_manager())) as client, raises_in_litestar() as raised:
        client.post("/set-a-list")

    assert "set_session() takes a dict" in traceback_of(raised.value)


def test_litestar_s_own_session_layer_inside_is_told() -> None:
    with visit(litestar(new_manager(), ServerSideSessionConfig().middleware)) as client, raises_in_litestar() as raised:
        client.get("/show")

    assert "a session layer inside of SessionMiddleware" in traceback_of(raised.value)


def test_litestar_s_own_session_layer_around_is_told() -> None:
    app = Litestar(
        HANDLERS,
        middleware=[ServerSideSessionConfig().middleware, DefineMiddleware(SessionMiddleware, manager=new_manager())],
        openapi_config=None,
        debug=True,
    )
    with visit(app) as client:
        assert "another session layer is around SessionMiddleware" in client.get("/show").text


def test_a_middleware_for_each_route_makes_one_clean_up_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_800_000_000_000
    monkeypatch.setattr("sojourn.asgi.middleware.monotonic", lambda: now / 1000)
    cleaned = []

    class Counting(AsyncMemoryStore):
        async def delete_expired(self, before: int, limit: int) -> int:
            cleaned.append(before)
            return await super().delete_expired(before, limit)

    manager = AsyncSessionManager(Counting(), Policy(), clock=lambda: now)
    with visit(litestar(manager, cleanup_interval=60)) as client:
        for _ in range(3):
            for path in ("/show", "/session/", "/session/client.js"):
                client.get(path)
            client.post("/put", json={})
            now += 100_000
        client.get("/show")

    assert len(cleaned) == 3


# Quart, and mounts that cut the path


def quart(manager: AsyncSessionManager) -> Quart:
    app = Quart(__name__)
    app.session_interface = QuartSessions()  # type: ignore[assignment]  # Quart knows no interface but its own
    app.asgi_app = SessionMiddleware(app.asgi_app, manager)  # type: ignore[method-assign]

    @app.post("/cart/<item>")
    async def add(item: str) -> Any:
        session.setdefault("cart", []).append(item)
        await flash(f"{item} is in the cart")
        return jsonify(session["cart"])

    @app.get("/news")
    async def news() -> Any:
        return jsonify(get_flashed_messages())

    return app


def test_quart_s_session_is_sojourn_s() -> None:
    client = visit(quart(new_manager()))

    assert [client.post(f"/cart/{item}").json() for item in ("tea", "cup")] == [["tea"], ["tea", "cup"]]
    assert client.get("/news").json() == ["tea is in the cart", "cup is in the cart"]
    assert client.get("/news").json() == []
    assert list(client.cookies) == ["__Host-session"]


def test_quart_without_the_middleware_is_told() -> None:
    app = Quart(__name__)
    app.session_interface = QuartSessions()  # type: ignore[assignment]

    with pytest.raises((ConfigurationError, ExceptionGroup)) as raised:  # of Quart 0.22, and from 0.23 on
        visit(app).get("/")
    assert "put SessionMiddleware" in "".join(traceback.format_exception(raised.value))


@pytest.mark.parametrize("cuts", [False, True])
@pytest.mark.parametrize("mounted", ["/session", "/s", "/api/session"])
def test_the_endpoints_are_found_below_any_mount_whether_it_cuts_the_path_or_not(mounted: str, cuts: bool) -> None:
    endpoints = BrowserEndpoints()

    async def mounting(scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"].removeprefix(mounted) if cuts else scope["path"]
        await endpoints({**scope, "root_path": mounted, "path": path}, receive, send)

    client = visit(SessionMiddleware(mounting, new_manager()))

    assert client.get(f"{mounted}/").json()["status"] == "none"
    assert client.post(f"{mounted}/start").json()["status"] == "active"
    assert client.get(f"{mounted}/sessions").json()["type"].endswith(":login-required")


def test_mount_sends_below_its_path_only_what_is_there() -> None:
    app = Starlette(routes=[*ROUTES, Route("/sessions", show)])
    client = visit(SessionMiddleware(mount(app, "/session", BrowserEndpoints()), new_manager()))

    assert client.get("/session").json()["status"] == "none"
    assert client.get("/session/sessions").status_code == 401
    assert client.get("/sessions").json() == {}


@pytest.mark.parametrize("path", ["session", "/session/", "/", ""])
def test_mount_says_how_to_write_a_path(path: str) -> None:
    with pytest.raises(ConfigurationError, match="write it like '/session'"):
        mount(Starlette(), path, BrowserEndpoints())


def test_the_endpoints_work_beside_an_application_behind_hypercorn_s_dispatcher() -> None:
    mounts = {"/session": BrowserEndpoints(writable={"theme"}), "/": Starlette(routes=ROUTES)}
    client = visit(SessionMiddleware(AsyncioDispatcherMiddleware(mounts), new_manager()))  # type: ignore[arg-type]
    client.post("/session/start", json={"data": {"theme": "dark"}})

    assert client.get("/session/").json()["data"] == {"theme": "dark"}


# WebSockets


@websocket("/echo")
async def litestar_echo(socket: WebSocket[Any, Any, Any]) -> None:
    user = session_of(socket).user_id
    socket.session["seen"] = True
    await socket.accept()
    while True:
        await socket.send_text(f"{user}: {await socket.receive_text()}")


def quart_echo() -> Quart:
    app = Quart(__name__)
    app.session_interface = QuartSessions()  # type: ignore[assignment]

    @app.websocket("/echo")
    async def echo() -> None:
        while True:
            text = await quart_websocket.receive()
            assert isinstance(text, str)
            await quart_websocket.send(f"{session_of(quart_websocket).user_id}: {text}")

    @app.post("/log-in")
    async def log_in_here() -> str:
        session_of(quart_request).login("ada")
        return ""

    return app


@pytest.mark.parametrize(
    "app", [Litestar([log_in, litestar_echo], openapi_config=None), quart_echo()], ids=["litestar", "quart"]
)
def test_a_websocket_has_the_session_and_closes_when_it_ends(app: Any) -> None:
    manager = new_manager()
    with visit(SessionMiddleware(app, manager)) as client:
        client.post("/log-in")
        with client.websocket_connect("wss://testserver/echo") as socket:
            socket.send_text("x")
            assert socket.receive_text() == "ada: x"
            client.portal.call(manager.revoke_all, "ada")  # type: ignore[union-attr]  # inside `with`
            assert socket.receive() == {"type": "websocket.close", "code": 1008, "reason": "revoked"}


# A session that is made and left in one request


async def makes_and_leaves(request: StarletteRequest) -> Response:
    session = session_of(request)
    session.login("ada")
    await commit(request)
    session.logout()
    return JSONResponse({})


def test_a_session_that_is_committed_and_left_in_one_request_is_not_given_to_the_browser() -> None:
    routes = [Route("/made-and-left", makes_and_leaves), *ROUTES, Route("/status", says_status)]
    client = visit(SessionMiddleware(Starlette(routes=routes), new_manager()))
    answer = client.get("/made-and-left")

    assert "set-cookie" not in answer.headers
    assert client.get("/status").json() == "none"


async def says_status(request: StarletteRequest) -> Response:
    return JSONResponse(session_of(request).status)


# Other session layers in what is mounted


async def counts(request: StarletteRequest) -> Response:
    request.session["n"] = request.session.get("n", 0) + 1
    return JSONResponse(dict(request.session))


def with_inner_layer(cookie: str = "session", **options: Any) -> SessionMiddleware:
    inner = Starlette(
        routes=[Route("/count", counts)],
        middleware=[Middleware(StarletteSessionMiddleware, secret_key="x", session_cookie=cookie)],
    )
    routes = [Mount("/inner", inner), Route("/count", counts), *ROUTES]
    return SessionMiddleware(Starlette(routes=routes), new_manager(), **options)


def test_a_foreign_layer_of_a_mounted_application_is_left_alone() -> None:
    with visit(with_inner_layer()) as client:
        outside = [client.get("/count").json() for _ in range(2)]
        inside = [client.get("/inner/count").json() for _ in range(3)]

        assert outside == [{"n": 1}, {"n": 2}]
        assert inside == [{"n": 1}, {"n": 2}, {"n": 3}]
        assert client.get("/show").json() == {"n": 2}
        assert set(client.cookies) == {"session", "__Host-session"}


@pytest.mark.parametrize("around", [True, False], ids=["around", "added"])
def test_two_layers_on_one_cookie_are_told_at_start(around: bool) -> None:
    if around:
        app: App = with_inner_layer("__Host-session")
    else:
        inner = with_inner_layer("__Host-session").app
        app = Starlette(
            routes=[Mount("/all", inner)], middleware=[Middleware(SessionMiddleware, manager=new_manager())]
        )

    with pytest.raises(ConfigurationError, match="Two session layers have the cookie '__Host-session'"), visit(app):
        pass


def test_two_of_ours_on_one_cookie_are_told_at_start_and_two_cookies_are_not() -> None:
    def app(**options: Any) -> App:
        inner = SessionMiddleware(Starlette(routes=ROUTES), new_manager(), **options)
        return SessionMiddleware(Starlette(routes=[Mount("/inner", inner)]), new_manager())

    with visit(app(cookie=CookieOptions(name="__Host-inner"))) as client:
        assert client.get("/inner/show").json() == {}
    with pytest.raises(ConfigurationError, match="Two session layers"), visit(app()):
        pass


# A session is no dict


async def forgets_to_copy(request: StarletteRequest) -> Response:
    return JSONResponse(request.session)


def test_a_session_that_is_answered_as_json_says_what_to_write() -> None:
    client = visit(SessionMiddleware(Starlette(routes=[Route("/", forgets_to_copy)]), new_manager()))

    with pytest.raises(TypeError) as raised:
        client.get("/")
    assert "JSONResponse(dict(request.session))" in "".join(raised.value.__notes__)
