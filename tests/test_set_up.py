"""The environments are what their lock files say, whatever is published later and whatever pip the machine brings."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCKS = sorted(file.name for file in (ROOT / "requirements").glob("*.lock"))
ENVIRONMENTS = ["bench", "demo", "dev"]

# The pip of Debian 12. It takes coverage and coverage[toml] for two packages, and looks for the newest of the second.
OLD_PIP = "pip==23.0.1 --hash=sha256:236bcb61156d76c4b8a05821b988c7b8c35bf0da28a4b614e8d6ab5212c25c6f\n"

LIST = """
import importlib.metadata, json
print(json.dumps({found.metadata["Name"]: found.version for found in importlib.metadata.distributions()}))
"""


def locked(lock: str) -> dict[str, str]:
    """What a lock file names for this machine: the version of each package, by its canonical name."""
    lines = (ROOT / "requirements" / lock).read_text().splitlines()
    pins = [Requirement(line.rstrip("\\ ")) for line in lines if line and line[0] not in " #"]
    wanted = [pin for pin in pins if pin.marker is None or pin.marker.evaluate()]
    return {canonicalize_name(pin.name): str(pin.specifier).removeprefix("==") for pin in wanted}


def installed(python: Path) -> dict[str, str]:
    done = subprocess.run([python, "-c", LIST], capture_output=True, text=True, check=True)
    return {canonicalize_name(name): version for name, version in json.loads(done.stdout).items()}


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of releases that came out after the locks were written: one of each package."""
    folder = tmp_path_factory.mktemp("newer")
    for name in {name for lock in LOCKS for name in locked(lock)}:
        stem = f"{name.replace('-', '_')}-9999.0"
        with zipfile.ZipFile(folder / f"{stem}-py3-none-any.whl", "w") as wheel:
            wheel.writestr(f"{stem}.dist-info/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 9999.0\n")
            wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{stem}.dist-info/RECORD", "")
    return folder


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkout in which nothing is installed yet."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("scripts", "requirements"):
        shutil.copytree(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """This Python, whose new environments have an old pip."""
    folder = tmp_path_factory.mktemp("python")
    lock, pip, program = folder / "pip.lock", folder / "pip", folder / "python3"
    lock.write_text(OLD_PIP)
    subprocess.run([ROOT / "scripts" / "install", lock, "--python", sys.executable, "--target", pip], check=True)
    program.write_text(f"""#!/bin/sh
set -eu
"{sys.executable}" "$@"
if [ "$1 $2" = "-m venv" ]; then
    for folder; do :; done
    packages=$(echo "$folder"/lib/python*/site-packages)
    rm -r "$packages"/pip*
    cp -r "{pip}"/pip* "$packages"
fi
""")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_is_its_lock_whatever_came_out_later(
    name: str, newer: Path, checkout: Path, python: Path
) -> None:
    offered = {**os.environ, "PIP_FIND_LINKS": str(newer), "UV_FIND_LINKS": str(newer)}
    folder, lock = checkout / f".venv-{name}", f"{name}.lock"
    subprocess.run(["scripts/venv", python, folder, f"requirements/{lock}"], cwd=checkout, env=offered, check=True)

    assert installed(folder / "bin" / "python") == locked(lock)
    installer = installed(checkout / ".build" / "uv" / "bin" / "python")
    assert installer["pip"] == "23.0.1"
    assert installer["uv"] == locked("uv.lock")["uv"]


def test_what_the_lock_has_no_hash_of_is_not_installed(newer: Path, checkout: Path, tmp_path: Path) -> None:
    lock = tmp_path / "wrong.lock"
    lock.write_text(f"msgspec==9999.0 --hash=sha256:{'0' * 64}\n")
    done = subprocess.run(
        ["scripts/install", lock, "--python", sys.executable, "--target", tmp_path / "there"],
        cwd=checkout,
        env={**os.environ, "UV_FIND_LINKS": str(newer), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert "Hash mismatch" in done.stderr
