"""Suites for Python: Django's own tests of what stands on sessions, django-allauth's, Flask's and its extensions'.

They run in `.venv-suites`. What is put under them is in plugins/. Django's two are each run twice: over our engine with
Django's own middleware, and with ours.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from xml.etree import ElementTree

from tests.suites.sources import ROOT, copy_of, copy_of_release
from tests.suites.suite import Outcome, Suite

__all__ = ["SUITES"]

PYTHON = ROOT / ".venv-suites" / "bin" / "python"
PLUGINS = Path(__file__).parent / "plugins"
DJANGO = [
    "sessions_tests.tests.SojournTests",
    "sessions_tests.tests.SessionMiddlewareTests",
    "sessions_tests.tests.ClearSessionsCommandTests",
    "sessions_tests.tests.SessionBaseTests",
    "auth_tests",
    "messages_tests",
    "csrf_tests",
    "test_client",
    "test_client_regress",
]
# Where they import it, and where they set it: not where a message of Django's names it.
_MIDDLEWARE = re.compile(
    r"(?<=from )django\.contrib\.sessions\.middleware(?= import SessionMiddleware)"
    r'|(?<=")django\.contrib\.sessions\.middleware(?=\.SessionMiddleware")'
)
# What a test of Authlib's gives a request for a session.
_PLAIN = re.compile(r'"session": (\{[^{}]*\})')
_OUR_ENGINE = 'SESSION_ENGINE, SOJOURN = "sojourn.django", {"store": "memory:"}\n'
# Flask-Security's tests read what Flask's own cookie holds: here it is the store that says.
_KEPT = """

from sojourn_flask import kept_in


def get_session(response):
    lines = [line for line in response.headers.getlist("Set-Cookie") if line.startswith("__Host-session=")]
    # The cookie is set when its token changes, and no other answer carries one.
    return kept_in(lines[-1] if lines else response.request.cookies.get("__Host-session", ""))


def get_existing_session(client):
    cookie = client.get_cookie("__Host-session")
    return kept_in(cookie.value) if cookie else None
"""
# The plugins of Django's and of asyncio each say something of tests that have neither.
WITHOUT_DJANGO = ["-p", "no:django", "-p", "no:asyncio"]
# Django has tests for any engine, and runs them for each of its own.
_OUR_TESTS = """

class SojournTests(SessionTestsMixin, TestCase):
    backend = SojournSession
"""


def django(folder: Path, *, ours: bool) -> Outcome:
    copy_of_release("django", PYTHON, folder)
    tests = folder / "tests"
    file = tests / "sessions_tests" / "tests.py"
    text = file.read_text("utf-8").replace("request.session = DatabaseSession()", "request.session = SojournSession()")
    text = text.replace(
        "from .models import", "from sojourn.django import SessionStore as SojournSession\nfrom .models import", 1
    )
    file.write_text(text + _OUR_TESTS, "utf-8")
    if ours:
        put_our_middleware(tests)
    results = folder / "results.json"
    words = ["runtests.py", "--settings", "sojourn_django", "--parallel", "1", *DJANGO]
    told = run(tests, words, [tests], {"SUITE_RESULTS": str(results)})
    if not results.exists():
        raise RuntimeError(f"Django's tests made no report:\n{told}")
    return Outcome.of(json.loads(results.read_text("utf-8")).items())


def allauth(folder: Path, *, ours: bool) -> Outcome:
    copy_of_release("django-allauth", PYTHON, folder)
    if ours:
        put_our_middleware(folder / "tests")
    return pytest(folder, ["--ds", "sojourn_allauth", "-n", "2"])


def on_flask(name: str, folder: Path) -> Outcome:
    copy_of_release(name, PYTHON, folder)
    return pytest(folder, [*WITHOUT_DJANGO, "-p", "sojourn_flask", "tests"])


def flask_security(folder: Path) -> Outcome:
    """As the others, with flask-principal from its source: one module, of which nobody made a wheel."""
    copy_of_release("flask-principal", PYTHON, folder / "principal")
    copy_of_release("flask-security", PYTHON, folder / "suite")
    for file in (folder / "suite" / "tests").glob("*.py"):
        file.write_text(file.read_text("utf-8").replace('cookie("session")', 'cookie("__Host-session")'), "utf-8")
    with (folder / "suite" / "tests" / "test_utils.py").open("a", encoding="utf-8") as helpers:
        helpers.write(_KEPT)
    words = [*WITHOUT_DJANGO, "-p", "sojourn_flask", "-n", "2", "tests"]
    return pytest(folder / "suite", words, [folder / "principal"])


def authlib(folder: Path) -> Outcome:
    """The tests of its clients, which keep a log-in's state in a session; its servers keep nothing there."""
    copy_of("authlib/authlib", f"v{installed('authlib')}", folder)
    for file in (folder / "tests/clients/test_starlette").glob("*.py"):
        text = _PLAIN.sub(r'"session": real_session(\1)', file.read_text("utf-8"))
        file.write_text(f"from sojourn_starlette import real_session\n{text}", "utf-8")
    kinds = ["tests/clients/test_flask", "tests/clients/test_starlette", "tests/clients/test_django"]
    settings = folder / "tests" / "django_settings.py"
    settings.write_text(f"{settings.read_text('utf-8')}\n{_OUR_ENGINE}", "utf-8")
    return pytest(folder, ["-p", "sojourn_flask", *kinds], more={"DJANGO_SETTINGS_MODULE": "tests.django_settings"})


def starlette(folder: Path) -> Outcome:
    copy_of_release("starlette", PYTHON, folder)
    file = folder / "tests" / "middleware" / "test_session.py"
    # A session is no dict, and its tests answer with it as one.
    text = re.sub(r'(?<="session": )(request\.session|session)\b', r"dict(\1)", file.read_text("utf-8"))
    file.write_text(text, "utf-8")
    words = [*WITHOUT_DJANGO, "-W", "ignore", "-p", "sojourn_starlette", str(file.relative_to(folder))]
    return pytest(folder, words)


def installed(name: str) -> str:
    """The version of a package in `.venv-suites`."""
    command = [str(PYTHON), "-c", f"from importlib.metadata import version; print(version({name!r}))"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def put_our_middleware(tests: Path) -> None:
    """Our middleware in the place of Django's, wherever the tests set or import that."""
    for file in tests.rglob("*.py"):
        text = file.read_text("utf-8")
        changed = _MIDDLEWARE.sub("sojourn.django.middleware", text)
        if changed != text:
            file.write_text(changed, "utf-8")


def pytest(
    folder: Path, words: Sequence[str], paths: Sequence[Path] = (), more: Mapping[str, str] | None = None
) -> Outcome:
    """Run the tests of `folder` by pytest."""
    report = folder / "report.xml"
    told = run(folder, ["-m", "pytest", "-q", f"--junitxml={report}", *words], [folder, *paths], more)
    if not report.exists():
        raise RuntimeError(f"pytest made no report:\n{told}")
    cases = ElementTree.parse(report).iter("testcase")
    return Outcome.of(
        (f"{case.get('classname')}.{case.get('name')}", _why(case)) for case in cases if case.find("skipped") is None
    )


def _why(case: ElementTree.Element) -> str:
    wrong = [each for each in case if each.tag in ("failure", "error")]
    return (wrong[0].get("message") or "fails") if wrong else ""


def run(folder: Path, words: Sequence[str], paths: Sequence[Path], more: Mapping[str, str] | None = None) -> str:
    """What Python prints. That tests fail is no failure of it."""
    path = os.pathsep.join(str(each) for each in (*paths, PLUGINS))
    # Where a machine has certificates of its own says nothing of what they test.
    own = {name: value for name, value in os.environ.items() if not name.endswith("_CA_BUNDLE")}
    environment = {**own, "PYTHONPATH": path, **(more or {})}
    command = [str(PYTHON), *words]
    done = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)
    return done.stdout + done.stderr


SUITES = [
    Suite("django-engine", partial(django, ours=False)),
    Suite("django", partial(django, ours=True)),
    Suite("allauth-engine", partial(allauth, ours=False)),
    Suite("allauth", partial(allauth, ours=True)),
    Suite("flask", partial(on_flask, "flask")),
    Suite("flask-login", partial(on_flask, "flask-login")),
    Suite("flask-security", flask_security),
    Suite("flask-dance", partial(on_flask, "flask-dance")),
    Suite("authlib", authlib),
    Suite("starlette", starlette),
]
