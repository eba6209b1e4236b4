"""`sojourn policy`, as a process: the page, the document for ASVS, and the verdict."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from sojourn import Policy
from sojourn.admin.policy_settings import SOURCES
from tests.cli.program import Program

GOLDEN = Path(__file__).parent / "golden"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("default.txt", []),
        ("default.md", ["--markdown"]),
        ("default.json", ["--json"]),
        (
            "strict.md",
            [
                *("--markdown", "--aal", "3", "--idle", "15m", "--absolute", "12h", "--no-remember"),
                *("--max-sessions", "3", "--on-limit", "refuse", "--no-rotate"),
            ],
        ),
        (
            "loose.txt",
            ["--aal", "2", "--idle", "2h", "--absolute", "3d", "--remember-absolute", "90d", "--no-max-sessions"],
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_page_is_as_it_was(name: str, words: list[str], sojourn: Program) -> None:
    # After a change on purpose: sojourn policy [words] > tests/cli/golden/[name]
    assert sojourn("policy", *words).out == (GOLDEN / name).read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ([], 0),
        (["--aal", "1"], 1),
        (["--aal", "2"], 1),
        (["--aal", "1", "--no-remember"], 0),
        (["--aal", "2", "--no-remember"], 0),
        (["--aal", "3", "--no-remember"], 1),
        (["--aal", "3", "--no-remember", "--idle", "15m"], 0),
        (["--aal", "3", "--no-remember", "--idle", "15m", "--absolute", "12h1s"], 1),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_the_exit_code_is_the_verdict(words: list[str], code: int, sojourn: Program) -> None:
    done = sojourn("policy", *words, "--json")
    assert done.code == code
    assert done.json["departs"] is (bool(code) if "--aal" in words else None)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--idle", "13h"], "idle_timeout (46800 s)"),
        (["--idle", "soon"], "Write 45s, 30m, 12h, 14d or 1h30m"),
        (["--idle", "0s"], "idle_timeout"),
        (["--no-remember", "--remember-idle", "1d"], "--no-remember"),
        (["--no-rotate", "--rotate", "1h"], "--no-rotate"),
        (["--max-sessions", "0"], "max_sessions=0"),
        (["--max-sessions", "3", "--no-max-sessions"], "--no-max-sessions"),
        (["--keep-client", "some"], "--keep-client"),
        (["--aal", "4"], "--aal"),
        (["--markdown", "--json"], "--markdown and --json"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_policy_that_cannot_be_is_refused(words: list[str], told: str, sojourn: Program) -> None:
    done = sojourn("policy", *words)
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert "Traceback" not in done.err


def test_what_is_stated_is_marked_so_and_what_is_default_has_its_source(sojourn: Program) -> None:
    sources = sojourn("policy", "--absolute", "9h", "--touch", "60s", "--json").json["sources"]
    assert sources["absolute_timeout"] == "stated here; longer than OWASP's 8 h"
    assert sources["idle_timeout"].startswith("OWASP")
    assert sources["touch_interval"] == SOURCES["touch_interval"]
    shorter = sojourn("policy", "--idle", "5m", "--json").json
    assert shorter["policy"]["touch_interval"] == 30_000
    assert shorter["sources"]["touch_interval"] == SOURCES["touch_interval"]


def test_every_setting_has_a_source() -> None:
    fields = {field.name for field in dataclasses.fields(Policy)} - {"remember"}
    assert set(SOURCES) == fields | {"remember.idle_timeout", "remember.absolute_timeout"}
