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

from tests.suites.sources import ROOT, copy_of_release
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


def put_our_middleware(tests: Path) -> None:
    """Our middleware in the place of Django's, wherever the tests set or import that."""
    for file in tests.rglob("*.py"):
        text = file.read_text("utf-8")
        changed = _MIDDLEWARE.sub("sojourn.django.middleware", text)
        if changed != text:
            file.write_text(changed, "utf-8")


def pytest(folder: Path, words: Sequence[str], paths: Sequence[Path] = ()) -> Outcome:
    """Run the tests of `folder` by pytest."""
    report = folder / "report.xml"
    told = run(folder, ["-m", "pytest", "-q", f"--junitxml={report}", *words], [folder, *paths])
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
    environment = {**os.environ, "PYTHONPATH": path, **(more or {})}
    command = [str(PYTHON), *words]
    done = subprocess.run(command, cwd=folder, env=environment, check=False, capture_output=True, text=True)
    return done.stdout + done.stderr


SUITES = [
    Suite("django-engine", partial(django, ours=False)),
    Suite("django", partial(django, ours=True)),
    Suite("allauth-engine", partial(allauth, ours=False)),
    Suite("allauth", partial(allauth, ours=True)),
]
