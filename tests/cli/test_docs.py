"""docs/policy.md and docs/cli.md say what the code does."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import click
import pytest

from sojourn import Policy
from sojourn.admin.nist import AALS, LIMITS
from sojourn.cli import Exit
from sojourn.cli.duration import spell
from sojourn.cli.program import program

DOCS = Path(__file__).parents[2] / "docs"
POLICY = (DOCS / "policy.md").read_text("utf-8")
CLI = (DOCS / "cli.md").read_text("utf-8")
ROWS = {row[1]: row[2] for row in re.finditer(r"^\| `(\w+)` \| ([^|]+) \|", POLICY, re.MULTILINE)}


def test_the_policy_page_has_a_row_for_each_field_in_their_order() -> None:
    assert list(ROWS) == [field.name for field in dataclasses.fields(Policy)]


@pytest.mark.parametrize("name", ["idle_timeout", "absolute_timeout", "rotate_interval", "rotate_grace", "keep_ended"])
def test_the_policy_page_gives_the_defaults(name: str) -> None:
    assert ROWS[name] == spell(getattr(Policy(), name))


def test_the_policy_page_gives_the_other_defaults_too() -> None:
    policy = Policy()
    assert policy.remember is not None
    assert ROWS["remember"] == f"{spell(policy.remember.idle_timeout)}, {spell(policy.remember.absolute_timeout)}"
    assert ROWS["max_bytes"] == f"{policy.max_bytes // 1024} KiB"
    assert ROWS["max_sessions"] == f"{policy.max_sessions}"
    assert ROWS["keep_client"] == f'`"{policy.keep_client}"`'
    assert ROWS["on_limit"] == f'`"{policy.on_limit}"`'
    assert ROWS["on_conflict"] == f'`"{policy.on_conflict}"`'


def test_the_policy_page_gives_nists_limits() -> None:
    for aal in AALS:
        row = next(line for line in POLICY.splitlines() if line.startswith(f"| AAL{aal} |")).replace("*", "")
        for limit in LIMITS:
            if limit.aal == aal:
                assert f"{limit.word} be no more than {spell(limit.seconds)}" in row
                assert limit.section in row


@pytest.mark.parametrize("name", sorted(program.commands))
def test_the_command_line_page_names_each_command(name: str) -> None:
    assert f"`sojourn {name}" in CLI


def test_the_command_line_page_names_the_options_of_the_stores_commands_and_the_demo() -> None:
    for name, command in program.commands.items():
        for option in command.params:
            # The many of `policy` restate the fields of Policy, and are in its help.
            if isinstance(option, click.Option) and name != "policy":
                assert f"`{option.opts[0]}" in CLI or f" {option.opts[0]}" in CLI, option.opts


def test_exit_codes_are_the_same_in_the_page_the_help_and_the_code() -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", CLI, re.MULTILINE)}
    helped = {int(code) for code in re.findall(r"^  +(\d+)  ", program.epilog or "", re.MULTILINE)}
    assert documented == helped == set(Exit)
