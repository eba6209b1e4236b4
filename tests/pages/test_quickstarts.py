"""The quickstart of each framework, as its reader follows it: install, paste, start, and three lines of curl."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.server import run_server
from tests.servers.port import find_port
from tests.test_docs import ROOT, blocks

from .clean import INSTALL, Clean, environment


class Quickstart(NamedTuple):
    """The commands that start an application on port 8000, and what is then asked, with each answer."""

    folder: Path
    python: Path
    port: int
    start: list[str]
    asked: list[tuple[str, str]]

    def run(self, command: str) -> str:
        """What a command prints, in a shell in which the environment is active."""
        done = subprocess.run(
            shlex.split(command),
            cwd=self.folder,
            env=environment(self.python),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def answers(self) -> list[tuple[str, str]]:
        """What the application answers, once it is started."""
        *before, last = self.start
        for command in before:
            self.run(command)
        words = shlex.split(last)
        words[0] = str(self.python.with_name(words[0]))
        log = self.folder / "output.log"
        with run_server(words, log, env=environment(self.python), port=self.port, folder=self.folder):
            return [(command, self.run(command.replace("curl ", "curl -sS ", 1))) for command, _ in self.asked]


def follow(page: str, heading: str, clean: Clean, folder: Path) -> Quickstart:
    """The quickstart below a heading, with a free port in the place of 8000. How it starts may be said once for all."""
    port = find_port()
    text = "\n" + (ROOT / page).read_text("utf-8").replace("8000", str(port))
    _, _, below = text.partition(f"\n{heading}\n")
    section, _, _ = below.partition("\n## ")
    line = INSTALL.search(section) or INSTALL.search(text)
    code = re.search(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    console = re.search(r"^```console\n(\$ curl .*?)^```$", text, re.MULTILINE | re.DOTALL)
    assert line is not None
    assert console is not None
    if code is not None:  # Django's is pieces of a project
        (folder / "app.py").write_text(code[1])
    started = [block.code.splitlines() for block in blocks(ROOT / page, "sh") if "pip install" not in block.code]
    return Quickstart(
        folder,
        clean.python(line[0]),
        port,
        [command.replace("8000", str(port)) for command in started[0]],
        re.findall(r"^\$ (curl .*)\n(.*)$", console[1], re.MULTILINE),
    )


@pytest.mark.parametrize(
    ("page", "heading"),
    [
        ("docs/quickstart.md", "## FastAPI"),
        ("docs/asgi.md", "## Starlette"),
        ("docs/asgi.md", "## FastAPI"),
        ("docs/asgi.md", "## Litestar"),
        ("docs/asgi.md", "## Quart"),
        ("docs/asgi.md", "## Plain ASGI"),
        ("docs/flask.md", "# Flask"),
        ("docs/wsgi.md", "# WSGI"),
    ],
)
def test_a_quickstart_answers_as_its_page_says(page: str, heading: str, clean: Clean, tmp_path: Path) -> None:
    quickstart = follow(page, heading, clean, tmp_path)

    assert len(quickstart.asked) == 3
    assert quickstart.answers() == quickstart.asked


def test_django_s_quickstart_answers_as_its_page_says(clean: Clean, tmp_path: Path) -> None:
    quickstart = follow("docs/django.md", "## Settings to change", clean, tmp_path)
    quickstart.run("django-admin startproject shop .")
    for block in blocks(ROOT / "docs/django.md", "py"):
        if file := re.match(r"# (settings|urls)\.py, at its end\n", block.code):
            with (tmp_path / "shop" / f"{file[1]}.py").open("a") as module:
                module.write(f"\n{block.code}")

    assert quickstart.start[0] == "python manage.py migrate"
    assert len(quickstart.asked) == 3
    assert quickstart.answers() == quickstart.asked


def test_the_quickstart_s_test_passes(clean: Clean, tmp_path: Path) -> None:
    [test] = [block.code for block in blocks(ROOT / "docs/quickstart.md", "python") if block.code.startswith("# test_")]
    (tmp_path / "test_app.py").write_text(test)
    python = clean.python("pip install '.[fastapi]' httpx2 pytest")
    done = subprocess.run(
        [python, "-m", "pytest", "-q", "test_app.py"],
        cwd=tmp_path,
        env=environment(python),
        capture_output=True,
        text=True,
        check=False,
    )

    assert "1 passed" in done.stdout, done.stdout + done.stderr
