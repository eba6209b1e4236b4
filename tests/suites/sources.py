"""Sources: other people's tests, brought here when they are run. None of them is in this repository."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

__all__ = ["SOURCES", "SourceMissing", "copy_of", "copy_of_release"]

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / ".suites"
RELEASES = ROOT / "requirements" / "suites-sources.lock"


class SourceMissing(Exception):
    """A suite's tests are not here, and cannot be brought here."""


def copy_of(repository: str, tag: str, folder: Path, part: str = ".") -> None:
    """Put the files of `owner/name` on GitHub, as of a tag, into `folder`: all, or those of one folder.

    They are fetched once, into `.suites/OWNER-NAME-TAG`; where there is no way to GitHub, somebody may put them there.
    """
    kept = SOURCES / f"{repository.replace('/', '-')}-{tag}"
    if not kept.exists():
        clone = [
            "git",
            "clone",
            "--quiet",
            "--depth",
            "1",
            "--branch",
            tag,
            f"https://github.com/{repository}",
            str(kept),
        ]
        if subprocess.run(clone, check=False, capture_output=True).returncode != 0:
            raise SourceMissing(f"{repository} {tag} could not be cloned. Put its files into {kept}.")
    shutil.copytree(kept / part, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git", "node_modules"))


def copy_of_release(name: str, python: Path, folder: Path) -> None:
    """Put the files of the source release on PyPI that `requirements/suites-sources.lock` names into `folder`.

    It is fetched once, by the pip of `python`, which also has what builds it; pip asks for its version, and judges its
    hash.
    """
    wanted = _locked(name)
    version = wanted.split()[0].partition("==")[2]
    kept = SOURCES / f"{name}-{version}"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as apart:
            _download(wanted, python, Path(apart))
            (archive,) = Path(apart).glob("*.tar.gz")
            with tarfile.open(archive) as files:
                files.extractall(apart, filter="data")
            SOURCES.mkdir(exist_ok=True)
            (inside,) = (each for each in Path(apart).iterdir() if each.is_dir())
            shutil.move(inside, kept)
    shutil.copytree(kept, folder, dirs_exist_ok=True)


def _download(wanted: str, python: Path, folder: Path) -> None:
    file = folder / "wanted.txt"
    file.write_text(wanted, "utf-8")
    words = ["download", "--quiet", "--no-deps", "--no-binary", ":all:", "--no-build-isolation", "--require-hashes"]
    pip = [str(python), "-m", "pip", *words, "--dest", str(folder), "--requirement", str(file)]
    done = subprocess.run(pip, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise SourceMissing(f"{wanted.split(maxsplit=1)[0]} could not be fetched from PyPI:\n{done.stderr.strip()}")


def _locked(name: str) -> str:
    """What the lock file says of `name`, where this Python is to have it: its version, and the hashes of its files."""
    blocks = re.split(r"^(?=[a-z])", RELEASES.read_text("utf-8"), flags=re.MULTILINE)
    found = [block for block in blocks if block.startswith(f"{name}==")]
    if len(found) > 1:
        is_old = sys.version_info < (3, 12)
        found = [block for block in found if ("< '3.12'" in block) == is_old]
    (block,) = found
    return block
