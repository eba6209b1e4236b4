"""Clean environments: what a page's own line installs, with the built wheel, and no tool of ours."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

__all__ = ["INSTALL", "Clean", "environment"]

ROOT = Path(__file__).parents[2]
INSTALL = re.compile(r"pip install '?\.(?P<extras>\[[a-z0-9,]+\])?'?(?P<others>(?: [a-z][a-z0-9-]*)*)")


class Clean:
    """The environments of one run of the tests, for all its workers; each is made when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(exist_ok=True)

    def python(self, line: str) -> Path:
        """The Python of the environment in which `line`, a `pip install` in a checkout, was the only one.

        The versions are those of the development environment's lock.
        """
        words = INSTALL.fullmatch(line)
        assert words, f"A line that installs from a checkout looks otherwise: {line}"
        folder = self._folder / hashlib.sha256(line.encode()).hexdigest()[:12]
        with self._alone():
            if not (folder / "ready").exists():
                named = f"sojourn{words['extras'] or ''} @ {self._wheel().as_uri()}"
                _uv("venv", "--quiet", "--clear", "--python", sys.executable, str(folder))
                lock = ROOT / "requirements/dev.lock"
                options = ["--quiet", "--no-build", "--constraints", str(lock), "--python", str(folder)]
                _uv("pip", "install", *options, named, *words["others"].split())
                (folder / "ready").touch()
        return folder / "bin/python"

    def _wheel(self) -> Path:
        """The wheel of this checkout; built once."""
        if not [*self._folder.glob("*.whl")]:
            build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(self._folder)]
            subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
        [wheel] = self._folder.glob("*.whl")
        return wheel

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """No other worker makes an environment meanwhile."""
        with (self._folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def environment(python: Path, **more: str) -> Mapping[str, str]:
    """The variables of a shell in which the environment is active."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    return {**ours, "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}", **more}


def _uv(*words: str) -> None:
    done = subprocess.run([str(ROOT / "scripts/uv"), *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
