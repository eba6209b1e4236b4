"""A PHP site on the session service: the service, what is between, PHP behind a web server, and its visitors."""

from __future__ import annotations

import http.client
import json
import re
import shutil
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote, urlencode

from tests.servers.port import find_port
from tests.servers.process import Process, Running
from tests.servers.waiting import wait_until
from tests.service.backend import make_key

__all__ = ["PHP", "Answer", "Php", "Relay", "SessionService", "Visitor", "find_fpm"]

PHP = Path(__file__).parents[2] / "adapters" / "php"
COOKIE = "__Host-session"
WORKERS = 12
# As careless as a server can be set up: all that PHP can be made to tell goes to the log, arguments in full length.
INI = {
    "display_errors": "0",
    "log_errors": "1",
    "error_reporting": "-1",
    "html_errors": "0",
    "zend.exception_ignore_args": "0",
    "zend.exception_string_param_max_len": "1000000",
}


class SessionService(Running):
    """`sojourn serve` on SQLite, on one port for good: it may be killed, paused and started again."""

    def __init__(self, folder: Path, policy: Mapping[str, object] | None = None, *, unix: bool = False) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = find_port()
        self.url = f"unix:{folder}/service.sock" if unix else f"http://127.0.0.1:{self.port}"
        self.keys = folder / "keys.json"
        self.key = make_key(self.keys, "sessions")
        config = folder / "sojourn.toml"
        lines = [f'store = "sqlite:///{folder}/sessions.sqlite3"', f'keys = "{self.keys}"', "[policy]"]
        lines += [f"{name} = {json.dumps(value)}" for name, value in (policy or {}).items()]
        config.write_text("\n".join(lines))
        where = ["--uds", f"{folder}/service.sock"] if unix else ["--port", str(self.port)]
        words = ["serve", "--config", str(config), *where, "--log-level", "debug"]
        self.process = Process([sys.executable, "-m", "sojourn", *words], folder, folder / "service.log")
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        def is_ready() -> bool:
            self.process.require_running()
            if self.url.startswith("unix:"):
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.connect(self.url.removeprefix("unix:"))
                return True
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True

        wait_until(is_ready, "the session service")

    def stop(self) -> None:
        self.process.stop()


class Relay(Running):
    """Between a back end and the service: counts what passes, and can hold it up or break it off."""

    def __init__(self, port: int) -> None:
        self.connections = 0
        self.paths: list[str] = []
        self.delay = 0.0
        self.hang_up_after_request = self.hang_up_once = False
        self.answer_instead: bytes | None = None
        relay = self
        open_sockets: list[socket.socket] = []
        self._sockets = open_sockets

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                relay.connections += 1
                with socket.create_connection(("127.0.0.1", port)) as service, suppress(OSError):
                    open_sockets.extend((self.request, service))
                    threading.Thread(target=relay.pass_answers, args=(service, self.request), daemon=True).start()
                    relay.pass_requests(self.request, service)

        class Listener(socketserver.ThreadingTCPServer):
            daemon_threads = True
            block_on_close = False
            allow_reuse_address = True

        self._listener = Listener(("127.0.0.1", find_port()), Handler)
        self.url = f"http://127.0.0.1:{self._listener.server_address[1]}"
        threading.Thread(target=self._listener.serve_forever, args=(0.05,), daemon=True).start()

    def pass_requests(self, back_end: socket.socket, service: socket.socket) -> None:
        while received := back_end.recv(65536):
            self.paths += re.findall(r"^POST (/v1/\w+)", received.decode("latin-1"), re.MULTILINE)
            if self.hang_up_after_request or self.hang_up_once:
                self.hang_up_once = False
                back_end.shutdown(socket.SHUT_RDWR)
            elif self.answer_instead is not None:
                back_end.sendall(self.answer_instead)
            else:
                service.sendall(received)

    def pass_answers(self, service: socket.socket, back_end: socket.socket) -> None:
        with suppress(OSError):
            while received := service.recv(65536):
                time.sleep(self.delay)
                back_end.sendall(received)

    def forget(self) -> None:
        self.connections = 0
        self.paths.clear()

    def close_connections(self) -> None:
        """As a service does that restarts, or tires of idle connections."""
        for each in self._sockets:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._sockets.clear()

    def stop(self) -> None:
        self._listener.shutdown()
        self._listener.server_close()
        self.close_connections()


def find_fpm() -> str | None:
    """The php-fpm there is; Debian names it after its version."""
    folders = map(Path, ("/usr/sbin", "/usr/local/sbin", "/usr/bin"))
    found = [str(file) for folder in folders for file in folder.glob("php-fpm*")]
    return max(found, default=None)


class Php(Running):
    """The adapter's tests/app.php, or another application, under PHP's own server or under PHP-FPM behind nginx."""

    def __init__(
        self,
        folder: Path,
        kind: Literal["built-in", "fpm"],
        environment: Mapping[str, str],
        workers: int = WORKERS,
        app: Path = PHP / "tests" / "app.php",
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = find_port()
        self.workers = workers
        self.app = app
        self.log = folder / "php.log"
        ini = {**INI, "error_log": str(self.log)}
        self._processes: list[Process] = []
        try:
            if kind == "built-in":
                self._start_built_in(folder, ini, {**environment, "PHP_CLI_SERVER_WORKERS": str(self.workers)})
            else:
                self._start_fpm(folder, ini, environment)
            wait_until(self._answers, "PHP")
        except BaseException:
            self.stop()
            raise

    def _start_built_in(self, folder: Path, ini: Mapping[str, str], environment: Mapping[str, str]) -> None:
        options = [word for name, value in ini.items() for word in ("-d", f"{name}={value}")]
        words = ["php", *options, "-S", f"127.0.0.1:{self.port}", str(self.app)]
        set_environment = ["/usr/bin/env", *(f"{name}={value}" for name, value in environment.items())]
        self._processes.append(Process([*set_environment, *words], folder, folder / "output.log"))

    def _start_fpm(self, folder: Path, ini: Mapping[str, str], environment: Mapping[str, str]) -> None:
        pool = "\n".join(
            ["[global]", f"error_log = {folder}/fpm.log", "daemonize = no", "[www]", f"listen = {folder}/php.sock"]
            + ["user = root", "pm = static", f"pm.max_children = {self.workers}", "catch_workers_output = yes"]
            + [f"php_admin_value[{name}] = {value}" for name, value in ini.items()]
            + [f"env[{name}] = {value}" for name, value in environment.items()]
        )
        (folder / "fpm.conf").write_text(pool)
        temporary = "".join(
            f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (folder / "nginx.conf").write_text(
            f"""
            daemon off; user root; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_processes 1;
            events {{ }}
            http {{
                access_log off; client_max_body_size 16m; {temporary}
                server {{
                    listen 127.0.0.1:{self.port};
                    location / {{
                        include /etc/nginx/fastcgi_params;
                        fastcgi_param SCRIPT_FILENAME {self.app};
                        fastcgi_pass unix:{folder}/php.sock;
                    }}
                }}
            }}
            """
        )
        fpm = find_fpm()
        nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        assert fpm is not None
        assert nginx is not None
        words = [fpm, "--nodaemonize", "--allow-to-run-as-root", "--fpm-config", str(folder / "fpm.conf")]
        self._processes.append(Process(words, folder, folder / "output.log"))
        words = [nginx, "-c", str(folder / "nginx.conf"), "-e", str(folder / "nginx.log"), "-p", str(folder)]
        self._processes.append(Process(words, folder, folder / "output.log"))

    def _answers(self) -> bool:
        for process in self._processes:
            process.require_running()
        return Visitor(self.port).ask(method="GET").status == 200

    def stop(self) -> None:
        for process in reversed(self._processes):
            process.stop()

    def told(self) -> str:
        """All that PHP and its servers have logged so far."""
        texts = [file.read_text("utf-8", "replace") for file in self.log.parent.glob("*.log")]
        return "\n".join(texts)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer of the site."""

    status: int
    headers: http.client.HTTPMessage
    body: str
    took: float

    @property
    def results(self) -> list[Any]:
        """What each step came to."""
        assert self.status == 200, self.body
        results: list[Any] = json.loads(self.body)
        return results

    @property
    def code(self) -> str:
        """What a problem's type says."""
        assert self.headers["content-type"] == "application/problem+json", self.body
        assert self.headers["cache-control"] == "no-store"
        assert self.problem["status"] == self.status
        kind: str = self.problem["type"]
        return kind.removeprefix("urn:sojourn:problem:")

    @property
    def problem(self) -> Any:
        return json.loads(self.body)

    @property
    def cookies(self) -> list[str]:
        """The Set-Cookie headers."""
        return self.headers.get_all("set-cookie") or []


@dataclass
class Visitor:
    """A browser that keeps the session's cookie, and shows it."""

    port: int
    token: str | None = None
    seen: set[str] = field(default_factory=set)

    def do(self, *steps: Sequence[Any], **ask: Any) -> Answer:
        """Have the application do these steps."""
        return self.ask(do=list(steps), **ask)

    def ask(self, *, method: str = "POST", headers: Mapping[str, str] | None = None, **ask: Any) -> Answer:
        path = f"/?ask={quote(json.dumps(ask))}" if method == "GET" else "/"
        return self.send(method, path, None if method == "GET" else json.dumps(ask), headers)

    def post(self, **form: str) -> Answer:
        """Send a form, and follow where it leads."""
        assert (
            self.send("POST", "/", urlencode(form), {"content-type": "application/x-www-form-urlencoded"}).status == 303
        )
        return self.send("GET", "/")

    def send(
        self, method: str, path: str, content: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent = {"user-agent": "Visitor/1.0", **({"cookie": f"{COOKIE}={self.token}"} if self.token else {})}
        began = time.monotonic()
        try:
            connection.request(method, path, content, {**sent, **(headers or {})})
            response = connection.getresponse()
            body = response.read().decode("utf-8", "replace")
        finally:
            connection.close()
        answer = Answer(response.status, response.headers, body, time.monotonic() - began)
        for cookie in answer.cookies:
            name, _, value = cookie.partition(";")[0].partition("=")
            if name == COOKIE:
                self.token = value or None
                self.seen |= {value} if value else set()
        return answer

    def copy(self) -> Visitor:
        """Another of its tabs, or who stole its cookie."""
        return Visitor(self.port, self.token, self.seen)

    def data(self, **ask: Any) -> Any:
        """The session's data."""
        return self.do(["data"], **ask).results[0] or {}

    def facts(self, **ask: Any) -> Any:
        """The session's id, user, …"""
        return self.do(["facts"], **ask).results[0]
