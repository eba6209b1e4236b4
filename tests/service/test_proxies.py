"""Behind real nginx, Caddy and Envoy, set up as docs/edge.md says, nobody is served of whom the service says no."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from sojourn import SessionManager, open_store
from tests.http.browser import Answer, Browser
from tests.keys import Key
from tests.server import Server
from tests.servers.caddy import Caddy
from tests.servers.envoy import Envoy
from tests.servers.nginx import NginxServer
from tests.servers.port import find_port
from tests.servers.process import Running
from tests.servers.redis import RedisServer, find_redis, start_redis
from tests.servers.waiting import wait_until
from tests.service.backend import Backend, start

PAGE = (Path(__file__).parents[2] / "docs" / "edge.md").read_text("utf-8")
PROXIES = ("nginx", "caddy", "envoy")
# What of Envoy's the page leaves to the reader. It has no files of its own.
ENVOY_ROUTES = """
route_config:
  virtual_hosts:
  - name: all
    domains: ["*"]
    routes:
    - {match: {prefix: /app/}, route: {cluster: app}}
    - match: {prefix: /}
      direct_response: {status: 200, body: {inline_string: for those who are logged in}}
      response_headers_to_add: [{header: {key: Cache-Control, value: "private, no-cache"}}]
"""
ENVOY_CLUSTERS = """
clusters:
- name: sojourn
  load_assignment:
    cluster_name: sojourn
    endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: SERVICE}}}}]}]
- name: app
  load_assignment:
    cluster_name: app
    endpoints: [{lb_endpoints: [{endpoint: {address: {socket_address: {address: 127.0.0.1, port_value: APP}}}}]}]
"""
TOLD = ["sojourn-authenticated", "sojourn-level", "sojourn-session", "sojourn-user"]


class Echo(BaseHTTPRequestHandler):
    """A back end that answers with what it was sent: the headers that are ours, as they came, and the body's length."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        length = int(self.headers.get("content-length", 0))
        ours = [(n.lower(), v) for n, v in self.headers.items() if re.match("sojourn[-_]", n, re.IGNORECASE)]
        body = json.dumps({"ours": sorted(ours), "length": len(self.rfile.read(length))}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET  # noqa: N815  # as http.server calls it

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@contextmanager
def proxy(kind: str, folder: Path, service: int, key: str) -> Iterator[int]:
    """The port of a proxy, set up by the page, before pages, a back end and the service at that port."""
    port, site = find_port(), folder / "site"
    site.mkdir()
    (site / "index.html").write_text("for those who are logged in")
    echo = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    Thread(target=echo.serve_forever, daemon=True).start()
    (section,) = re.findall(rf"^## {kind}\n(.*?)^## ", PAGE, re.MULTILINE | re.DOTALL | re.IGNORECASE)
    config = re.findall(r"^```\w+\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)[0]
    services = {"127.0.0.1:8100": f"127.0.0.1:{service}", "sjk1-YOUR-KEY": key}
    pages = {"127.0.0.1:9000": f"127.0.0.1:{echo.server_port}", "/srv/site": str(site)}
    try:
        if kind == "nginx":
            config = filled(config, services | pages | {"listen 80;": f"listen 127.0.0.1:{port};"})
            server: Running = NginxServer(folder / kind, port, config)
        elif kind == "caddy":
            server = Caddy(folder / kind, port, filled(config, services | pages | {":80 {": f":{port} {{"}))
        else:
            clusters = filled(ENVOY_CLUSTERS, {"SERVICE": str(service), "APP": str(echo.server_port)})
            server = Envoy(folder / kind, port, filled(config, services) + ENVOY_ROUTES, clusters)
        with server:
            yield port
    finally:
        echo.shutdown()
        echo.server_close()


def filled(config: str, here: dict[str, str]) -> str:
    for written, said in here.items():
        assert written in config
        config = config.replace(written, said)
    return config


class Edge:
    """A proxy before a service on a Redis; and a back end that logs visitors in."""

    def __init__(self, kind: str, port: int, service: Server, redis: RedisServer, key: str) -> None:
        self.kind, self.redis, self.service = kind, redis, service
        self._port, self._key = port, key
        self._browsers: list[Browser] = []

    def backend(self) -> Backend:
        return Backend(self.service.port, self._key)

    def visitor(self, user: str | None = None, **login: Any) -> Browser:
        browser = Browser(self._port)
        self._browsers.append(browser)
        if user is not None:
            with self.backend() as backend:
                action = {"type": "login", "user_id": user, **login}
                browser.token = backend.commit(action=action)["token"]
        return browser

    def close(self) -> None:
        while self._browsers:
            self._browsers.pop().close()


RUNNING = [f"{kind}{cache}" for kind in ("nginx", "caddy") for cache in ("", "?cache=8MiB")] + ["envoy"]


@pytest.fixture(scope="module", params=RUNNING)
def running(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    keys: Path,
    key: str,
    keys_by_scope: dict[str, str],
) -> Iterator[Edge]:
    kind, _, query = request.param.partition("?")
    folder = tmp_path_factory.mktemp("edge")
    with ExitStack() as stack:
        redis = stack.enter_context(start_redis(folder / "redis", find_redis()))
        store = f"{redis.url}?{query}" if query else redis.url
        service = stack.enter_context(start(folder, "--store", store, "--keys", str(keys)))
        port = stack.enter_context(proxy(kind, folder, service.port, keys_by_scope["verify"]))
        yield Edge(kind, port, service, redis, key)


@pytest.fixture
def edge(running: Edge) -> Iterator[Edge]:
    yield running
    running.close()


def ask(port: int, path: str, **headers: str) -> Answer:
    """One request of a browser that has no cookie."""
    browser = Browser(port)
    try:
        return browser.get(path, **headers)
    finally:
        browser.close()


def seen(answer: Answer) -> dict[str, str]:
    """Our headers, as the back end was sent them; each once."""
    assert answer.status == 200, answer
    pairs = answer.json()["ours"]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def test_a_page_is_served_to_those_who_are_logged_in_and_to_nobody_else(edge: Edge) -> None:
    visitor = edge.visitor("ada")
    for path in ("/", "/index.html"):
        page = visitor.get(path)
        assert (page.status, page.body) == (200, b"for those who are logged in")
        assert page.one("cache-control") == "private, no-cache"
        assert edge.visitor().get(path).status == 401
    with edge.backend() as backend:
        anonymous = edge.visitor()
        anonymous.token = backend.commit(changes={"a": {"value": 1}})["token"]
    assert anonymous.get("/").status == 401


def test_an_end_is_seen_at_the_next_request(edge: Edge) -> None:
    visitor = edge.visitor("ada")
    assert [visitor.get("/").status for _ in range(3)] == [200] * 3
    with edge.backend() as backend:
        backend.request("DELETE", f"/v1/sessions/{visitor.token[4:36]}")

    assert visitor.get("/").status == 401


def test_an_end_by_another_process_is_seen_too(edge: Edge) -> None:
    visitor = edge.visitor("bob")
    assert [visitor.get("/").status for _ in range(3)] == [200] * 3
    manager = SessionManager(open_store(edge.redis.url))
    assert manager.revoke_all("bob") == 1
    manager.close()

    # A cache hears of it; the visitor is not let in again.
    wait_until(lambda: visitor.get("/").status == 401, "the end")
    assert visitor.get("/").status == 401


def test_a_back_end_is_told_who_it_is_and_nothing_that_the_visitor_says(edge: Edge) -> None:
    forged = dict.fromkeys(TOLD, "root")
    forged |= {name.replace("-", "_"): "root" for name in TOLD} | {"SOJOURN_user": "root", "Sojourn-Key": "x"}
    visitor = edge.visitor("Zoë, 1", level="aal2")
    told = seen(visitor("GET", "/app/x", headers=forged))
    told.pop("sojourn-key", None)

    assert sorted(told) == TOLD
    assert (told["sojourn-user"], told["sojourn-level"]) == ("Zo%C3%AB%2C%201", "aal2")
    assert told["sojourn-session"] == visitor.token[4:36]
    assert seen(edge.visitor("ada")("GET", "/app/x", headers=forged))["sojourn-level"] == "none"
    assert edge.visitor()("GET", "/app/x", headers=forged).status == 401


def test_what_is_uploaded_reaches_the_back_end_and_another_site_s_does_not(edge: Edge) -> None:
    visitor, body = edge.visitor("ada"), b"x" * 900_000

    assert visitor("POST", "/app/x", body, {"Sec-Fetch-Site": "same-origin"}).json()["length"] == len(body)
    forged = {"X-Forwarded-Method": "GET", "X-Forwarded-Host": "evil.example"}
    for foreign in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert visitor("POST", "/app/x", b"x", {**foreign, **forged}).status == 403


def test_with_a_cache_no_request_takes_the_way_to_the_store(edge: Edge, request: pytest.FixtureRequest) -> None:
    visitor = edge.visitor("ada")

    def reads() -> int:
        edge.redis.ask("CONFIG", "RESETSTAT")
        assert [visitor.get("/app/x").status for _ in range(10)] == [200] * 10
        commands = edge.redis.info("commandstats")
        return sum(int(line.split("calls=")[1].split(",")[0]) for name, line in commands.items() if "get" in name)

    if "cache" in request.node.callspec.params["running"]:
        wait_until(lambda: reads() == 0, "the cache")
    else:
        assert reads() >= 10


def test_while_the_store_is_away_it_is_neither_a_yes_nor_a_log_out(edge: Edge) -> None:
    visitor = edge.visitor("ada")
    assert visitor.get("/").status == 200
    edge.redis.process.kill()
    try:
        for path in ("/index.html", "/app/x"):
            # What a cache holds it may serve until it has noticed, and no longer.
            wait_until(lambda path=path: visitor.get(path).status != 200, "the outage")  # type: ignore[misc]
            answer = visitor.get(path)
            # Envoy hands a 503 on by making one of its own.
            assert (answer.status, answer.one("retry-after")) == (503, None if edge.kind == "envoy" else "2")
        assert edge.visitor().get("/").status == 401  # there is nothing to ask for
    finally:
        edge.redis.restart()
    # It was kept in memory alone.
    wait_until(lambda: visitor.get("/").status == 401, "the store")
    assert edge.visitor("ada").get("/").status == 200


@pytest.mark.parametrize(
    ("kind", "without_service", "without_key"), [("nginx", 503, 503), ("caddy", 502, 500), ("envoy", 503, 503)]
)
def test_without_the_service_or_with_a_wrong_key_nobody_is_served_or_sent_to_log_in(
    kind: str, without_service: int, without_key: int, tmp_path: Path, service: Server, keys_by_scope: dict[str, str]
) -> None:
    for name, port, key, status in (
        ("away", find_port(), keys_by_scope["verify"], without_service),
        ("wrong", service.port, keys_by_scope["sessions"], without_key),
    ):
        folder = tmp_path / name
        folder.mkdir()
        with proxy(kind, folder, port, key) as at:
            assert ask(at, "/index.html").status == status
    service.wait_to_print("scope verify: api-key-scope")


ORIGIN = "https://app.example.com"


@pytest.mark.parametrize("kind", PROXIES)
def test_a_script_s_bound_session_is_verified_by_its_proof_for_the_url_behind_the_proxy(
    kind: str, tmp_path: Path, keys: Path, key: str, keys_by_scope: dict[str, str]
) -> None:
    config = tmp_path / "sojourn.toml"
    config.write_text(
        f"""
        store = "sqlite:///{tmp_path}/sessions.sqlite3"
        keys = "{keys}"
        [policy]
        binding = "prefer"
        [browser]
        script_readable_tokens = true
        public_origin = "{ORIGIN}"
        """
    )
    mine = Key()
    with (
        start(tmp_path, "--config", str(config)) as server,
        Backend(server.port, key) as backend,
        proxy(kind, tmp_path, server.port, keys_by_scope["verify"]) as port,
    ):
        shown = {"method": "POST", "url": f"{ORIGIN}/log-in", "proof": mine.proof("POST", f"{ORIGIN}/log-in")}
        begun = backend.commit(presented={**shown, "dpop": False}, action={"type": "login", "user_id": "ada"})
        token, nonce = begun["token"], begun["nonce"]

        def signed(path: str, url: str | None = None, **claims: Any) -> Answer:
            proof = mine.proof("GET", ORIGIN + (url or path), token=token, **{"nonce": nonce, **claims})
            return ask(port, f"{path}?x=1", Authorization=f"DPoP {token}", DPoP=proof)

        assert seen(signed("/app/x"))["sojourn-user"] == "ada"
        refused = [signed("/app/x", "/app/y"), signed("/app/x", nonce=None)]
        refused.append(ask(port, "/app/x", Authorization=f"DPoP {token}"))
        refused.append(ask(port, "/app/x", Cookie=f"__Host-session={token}"))
        assert [answer.status for answer in refused] == [401] * 4
        # With which the script signs anew.
        assert "use_dpop_nonce" in str(refused[1].one("www-authenticate"))
        # nginx asks once more for a folder's index page, when the proof is used up.
        assert [signed(path).status for path in ("/index.html", "/")] == [200, 401 if kind == "nginx" else 200]
        assert seen(signed("/app/x", nonce=refused[1].one("dpop-nonce")))["sojourn-user"] == "ada"
