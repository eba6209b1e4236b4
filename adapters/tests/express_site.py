"""An Express site on the session service: the adapter, built apart, and Node."""

from __future__ import annotations

import fcntl
import functools
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from adapters.tests.http_site import HttpSite

__all__ = ["EXPRESS", "Express", "build"]

ROOT = Path(__file__).parents[2]
EXPRESS = ROOT / "adapters" / "express"
BUILD = ROOT / ".build" / "express"
NODE = str(Path(sys.executable).with_name("node"))


@functools.cache
def build() -> Path:
    """The adapter's main module. Not the one in dist/, which its own tests build at the same time."""
    compiler = EXPRESS / "node_modules" / "typescript" / "bin" / "tsc"
    assert compiler.exists(), f"Its packages are not there. Run: cd {EXPRESS} && npm ci"
    BUILD.mkdir(parents=True, exist_ok=True)
    made = BUILD / "index.js"
    with BUILD.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the test runner's workers share the folder
        newest = max(file.stat().st_mtime for file in (EXPRESS / "src").iterdir())
        if not made.exists() or made.stat().st_mtime < newest:
            command = [NODE, str(compiler), "-p", str(EXPRESS), "--outDir", str(BUILD), "--declaration", "false"]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr
            (BUILD / "package.json").write_text((EXPRESS / "src" / "package.json").read_text())
    return made


class Express(HttpSite):
    """The adapter's test/app.js, or `app`, under Node, which says all that Express can be made to say."""

    def __init__(
        self, folder: Path, environment: Mapping[str, str], *, app: Path = EXPRESS / "test" / "app.js"
    ) -> None:
        given = {"SOJOURN_EXPRESS": str(build()), "NODE_ENV": "production", "DEBUG": "*", **environment}
        super().__init__(folder, [NODE, str(app)], given)
