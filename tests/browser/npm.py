"""Npm: the packed browser client, and front ends that are built with it and with the packages of package.json here."""

from __future__ import annotations

import fcntl
import functools
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["NODE", "PACKAGES", "make_project", "pack_client", "run"]

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "client"
PACKAGES = Path(__file__).parent / "node_modules"
BIN = Path(sys.executable).parent
NODE = str(BIN / "node")


def run(folder: Path, *command: str) -> str:
    """What a command prints that is run in a folder. Fails with all that it said."""
    env = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@functools.cache
def pack_client() -> Path:
    """The package as `npm pack` makes it of a fresh checkout, where nothing is built; unpacked."""
    place = ROOT / ".build" / "packed-client"
    place.mkdir(parents=True, exist_ok=True)
    with (place / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the test runner's workers share the folder
        package = place / "package"
        sources = [*CLIENT.glob("src/*"), *CLIENT.glob("*.json"), *CLIENT.glob("scripts/*"), CLIENT / "README.md"]
        newest = max(source.stat().st_mtime for source in sources)
        if not (package / "made").exists() or (package / "made").stat().st_mtime < newest:
            shutil.rmtree(place / "checkout", ignore_errors=True)
            shutil.rmtree(package, ignore_errors=True)
            checkout = place / "checkout/client"
            (place / "checkout/src/sojourn/browser/static").mkdir(parents=True)
            shutil.copytree(CLIENT, checkout, ignore=shutil.ignore_patterns("node_modules", "dist"))
            (checkout / "node_modules").symlink_to(CLIENT / "node_modules")
            packed = run(checkout, "npm", "pack", "--silent").split()[-1]
            with tarfile.open(checkout / packed) as tarball:
                tarball.extractall(place, filter="data")
            (package / "made").touch()
        return package


def make_project(folder: Path, files: Mapping[str, str]) -> Path:
    """A front end of these files in `folder`, with the packages of this folder and the packed client installed."""
    modules = folder / "node_modules"
    modules.mkdir(parents=True)
    for package in PACKAGES.iterdir():
        if not package.name.startswith("."):
            (modules / package.name).symlink_to(package)
    # A copy: a package is looked for from where one really is, and React must be found.
    shutil.copytree(pack_client(), modules / "sojourn-client")
    (folder / "package.json").write_text('{"private": true, "type": "module"}')
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder
