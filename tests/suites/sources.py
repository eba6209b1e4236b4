"""Sources: other people's tests, brought here when they are run. None of them is in this repository."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

__all__ = ["SOURCES", "SourceMissing", "copy_of"]

SOURCES = Path(__file__).parents[2] / ".suites"


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
