"""Each block of Python runs alone: pasted into an empty file, where the page's own line installed the built wheel."""

from __future__ import annotations

import itertools
import json
import re
import subprocess
from pathlib import Path

import pytest

from sojourn.stores.postgres import migrate
from tests.servers.postgres import PostgresServer
from tests.test_docs import PAGES, ROOT, Block, blocks

from .clean import INSTALL, Clean, environment

PROGRAM = Path(__file__).with_name("alone.py")
WITH_PYTHON = [str(page.relative_to(ROOT)) for page in PAGES if [*blocks(page, "python")]]
# What a page expects around its reader. A key of the service is made for each reader; this one opens nothing.
SURROUNDINGS = {"SOJOURN_SERVICE": "http://localhost:1", "SOJOURN_KEY": f"sjk1-{'0' * 8}-{'0' * 64}"}

# Pieces of a reader's own files, with the tests that put them there. All other Python is whole.
PIECES = {
    "docs/audit.md": "tests/audit/test_webhook.py",
    "docs/django.md": "tests/django/test_started_project.py",
    "docs/other-origin.md": "tests/browser/test_other_origin.py",
}


def line_of(block: Block) -> str:
    """What the page installs for a block: the nearest line above it, else the page's first, else Sojourn alone."""
    lines = block.page.read_text("utf-8").splitlines()
    found = [(number, match[0]) for number, line in enumerate(lines, 1) if (match := INSTALL.search(line))]
    above = [text for number, text in found if number < block.line]
    return next(iter([*reversed(above), *(text for _, text in found), "pip install ."]))


@pytest.mark.parametrize("page", WITH_PYTHON)
def test_each_block_of_a_page_runs_alone_where_nothing_but_its_line_is_installed(
    page: str, clean: Clean, request: pytest.FixtureRequest
) -> None:
    failed: list[list[str]] = []
    for line, found in itertools.groupby(blocks(ROOT / page, "python"), line_of):
        given = [(f"{page}:{block.line}", block.line, here(block, request)) for block in found]
        python = clean.python(line)
        done = subprocess.run(
            [python, PROGRAM],
            input=json.dumps(given),
            env=environment(python, **SURROUNDINGS),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        failed += json.loads(done.stdout)

    assert not failed, "\n\n".join(f"{place}\n{told}" for place, told in failed)


def here(block: Block, request: pytest.FixtureRequest) -> str:
    """The block, with a server of the tests in the place of the reader's PostgreSQL, which is asked at once."""
    if "postgresql://" not in block.code:
        return block.code
    server: PostgresServer = request.getfixturevalue("postgres")
    database = server.new_database()
    migrate(database)
    return re.sub(r'"postgresql://[^"]+"', repr(database), block.code)


def test_what_is_no_whole_block_is_put_into_a_file_by_another_test() -> None:
    pieces = {str(page.relative_to(ROOT)) for page in PAGES if [*blocks(page, "py")]} - {"docs/api.md"}

    assert pieces == PIECES.keys()
    assert all((ROOT / test).exists() for test in PIECES.values())
