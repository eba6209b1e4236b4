"""The built wheel stands alone: what it needs beside it says with the line that installs it."""

from __future__ import annotations

import json
import re
import subprocess
import tomllib

from scripts.public import PUBLIC
from tests.test_docs import ROOT

from .clean import Clean, environment

# The extra of a public module that cannot be imported without it.
EXTRAS = {
    "sojourn.django": "django",
    "sojourn.django.urls": "django",
    "sojourn.fastapi": "fastapi",
    "sojourn.flask": "flask",
    "sojourn.metrics": "metrics",
    "sojourn.remote": "remote",
    "sojourn.stores.postgres": "postgres",
    "sojourn.stores.redis": "redis",
    "sojourn.traces": "otel",
}

IMPORT = """
import importlib, json, sys
told = {}
for name in json.load(sys.stdin):
    try:
        importlib.import_module(name)
    except Exception as error:
        told[name] = str(error)
json.dump(told, sys.stdout)
"""


def run(clean: Clean, line: str, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """A program of the environment that a line makes."""
    python = clean.python(line)
    command = [str(python.with_name(words[0])), *words[1:]]
    return subprocess.run(
        command, input=given, env=environment(python), capture_output=True, text=True, check=False, cwd=python.parent
    )


def test_without_extras_each_public_module_is_there_or_says_which_it_needs(clean: Clean) -> None:
    done = run(clean, "pip install .", "python", "-c", IMPORT, given=json.dumps(PUBLIC))
    told = json.loads(done.stdout)

    assert told.keys() == EXTRAS.keys()
    assert all(f"pip install '.[{extra}]'" in told[name] for name, extra in EXTRAS.items()), told


def test_without_extras_the_program_and_a_store_s_url_say_which_they_need(clean: Clean) -> None:
    program = run(clean, "pip install .", "sojourn", "list")
    assert (program.returncode != 0, "pip install '.[cli]'" in program.stderr) == (True, True), program.stderr
    for url, extra in (("postgresql://localhost/app", "postgres"), ("redis://localhost", "redis")):
        code = f"import sojourn; sojourn.open_store({url!r})"
        assert f"pip install '.[{extra}]'" in run(clean, "pip install .", "python", "-c", code).stderr


def test_with_the_program_alone_its_commands_say_what_they_need(clean: Clean) -> None:
    line = "pip install '.[cli]'"
    listed = run(clean, line, "sojourn", "list", "--store", "sqlite:///sessions.sqlite3")
    assert "Traceback" not in listed.stderr
    keys = ["--keys", "keys.json"]
    assert run(clean, line, "sojourn", "keys", "make", "--name", "shop", *keys).returncode == 0
    for words, extra in ((["serve", "--store", "memory:", *keys], "service"), (["demo"], "demo")):
        told = run(clean, line, "sojourn", *words)
        assert told.returncode != 0
        assert f"pip install '.[{extra}]'" in told.stderr
        assert "Traceback" not in told.stderr


def test_the_wheel_says_on_which_pythons_it_was_tried() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    named = [name.rpartition(" ")[2] for name in project["classifiers"] if ":: Python :: 3." in name]
    tried = re.findall(r"^PYTHONS \?= (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)

    assert named == [project["requires-python"].removeprefix(">="), *tried[0].split()]
