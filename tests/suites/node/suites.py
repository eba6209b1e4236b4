"""Suites for Node: express-session's over SojournStore, passport's and passport-oauth2's over `sojourn()`.

And tests of our own on what is too large for the adapter's lock file: Jest, and a built Next application.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from adapters.tests.session_service import SessionService
from tests.servers.port import find_port
from tests.servers.process import Process
from tests.servers.waiting import wait_until
from tests.suites.sources import copy_of
from tests.suites.suite import Outcome, Suite

__all__ = ["SUITES"]

HERE = Path(__file__).parent
PROGRAMS = Path(sys.executable).parent
COOKIE = {"name": "connect.sid", "insecure_http": True}
# `req.session = {…};`, however the test calls its request, and methods that it puts into the session.
_PLAIN = re.compile(r"\b(\w+)\.session = (\{[^{};]*\});")
_TAP = re.compile(r"^(ok|not ok) \d+ - ([^#\n]+?)(?: #.*)?$", re.MULTILINE)
_METHOD = re.compile(r"\b\w+\.session\.(?:regenerate|save) = function")


def express_session(folder: Path) -> Outcome:
    copy_of("expressjs/session", "v1.19.0", folder)
    (folder / "index.js").write_text(f"module.exports = require({json.dumps(str(HERE / 'express_session.cjs'))});\n")
    subprocess.run(["sh", "test/support/gencert.sh"], cwd=folder, check=True, capture_output=True)
    return mocha(folder, ["--require", "test/support/env", "test/session.js"], {"SUITE_KIND": "SojournStore"}, COOKIE)


def passport(folder: Path) -> Outcome:
    copy_of("jaredhanson/passport", "v0.7.0", folder)
    put_real_sessions(folder / "test")
    return mocha(folder, [*bootstrap(), "test/*.test.js", "test/**/*.test.js"])


def passport_oauth2(folder: Path) -> Outcome:
    copy_of("jaredhanson/passport-oauth2", "v1.8.0", folder)
    put_real_sessions(folder / "test")
    return mocha(folder, [*bootstrap(), "test/*.test.js", "test/**/*.test.js"])


def jest(folder: Path) -> Outcome:
    report = folder / "report.json"
    words = [
        "--rootDir",
        str(HERE / "jest"),
        "--cacheDirectory",
        str(folder / "cache"),
        "--json",
        f"--outputFile={report}",
    ]
    with SessionService(folder / "service") as service:
        done = run(service, [tool("jest"), *words], HERE)
    if not report.exists():
        raise RuntimeError(f"jest made no report:\n{done}")
    files = json.loads(report.read_text("utf-8"))["testResults"]
    return Outcome.of(
        (test["fullName"], "".join(test["failureMessages"])) for file in files for test in file["assertionResults"]
    )


def next_js(folder: Path) -> Outcome:
    site, port = HERE / "next", find_port()
    with SessionService(folder / "service") as service:
        told = run(service, [tool("next"), "build"], site)
        if not (site / ".next" / "BUILD_ID").exists():
            raise RuntimeError(f"Next was not built:\n{told}")
        environment = [
            "env",
            f"SOJOURN_SERVICE={service.url}",
            f"SOJOURN_KEY={service.key}",
            f"PATH={node_environment()['PATH']}",
        ]
        start = [*environment, tool("next"), "start", "--hostname", "127.0.0.1", "--port", str(port)]
        with Process(start, site, folder / "next.log") as server:
            wait_until(lambda: "Ready" in server.output(), "Next")
            tests = [str(PROGRAMS / "node"), "--test", "--test-reporter=tap", "session.test.js"]
            told = run(service, tests, site, {"URL_OF_NEXT": f"http://localhost:{port}"})
    return Outcome.of((title, "" if ok == "ok" else "see node --test") for ok, title in _TAP.findall(told))


def bootstrap() -> list[str]:
    return ["--require", "test/bootstrap/node", "--require", str(HERE / "real_session.cjs")]


def put_real_sessions(tests: Path) -> None:
    """Where a test gives a request `{}` for a session, give it one of ours; it keeps its own methods."""
    for file in tests.rglob("*.js"):
        text = _PLAIN.sub(r"$session(\1, \2);", file.read_text("utf-8"))
        file.write_text(_METHOD.sub("global.$unused = function", text), "utf-8")


def mocha(
    folder: Path, words: list[str], more: Mapping[str, str] | None = None, cookie: Mapping[str, object] | None = None
) -> Outcome:
    """Run the tests of `folder` by mocha, over a session service of their own."""
    (folder / "node_modules").symlink_to(HERE / "node_modules")
    report = folder / "report.json"
    options = ["--exit", "--timeout", "5000", "--reporter", "json", "--reporter-option", f"output={report}"]
    with SessionService(folder / "service", cookie=cookie) as service:
        told = run(service, [tool("mocha"), *options, *words], folder, more)
    if not report.exists():
        raise RuntimeError(f"mocha made no report:\n{told}")
    found = json.loads(report.read_text("utf-8"))
    passes = [(test["fullTitle"], "") for test in found["passes"]]
    return Outcome.of(
        [*passes, *((test["fullTitle"], test["err"].get("message") or "fails") for test in found["failures"])]
    )


def run(service: SessionService, command: list[str], folder: Path, more: Mapping[str, str] | None = None) -> str:
    """What it prints. That tests fail is no failure of it."""
    environment = {**node_environment(), "SOJOURN_SERVICE": service.url, "SOJOURN_KEY": service.key, **(more or {})}
    done = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)
    return done.stdout + done.stderr


def tool(name: str) -> str:
    return str(HERE / "node_modules" / ".bin" / name)


def node_environment() -> dict[str, str]:
    return {**os.environ, "PATH": f"{PROGRAMS}{os.pathsep}{os.environ['PATH']}", "NEXT_TELEMETRY_DISABLED": "1"}


SUITES = [
    Suite("express-session", express_session),
    Suite("passport", passport),
    Suite("passport-oauth2", passport_oauth2),
    Suite("jest", jest),
    Suite("next", next_js),
]
