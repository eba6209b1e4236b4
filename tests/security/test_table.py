"""The tables of docs/security.md: complete, and true of the tests that are here."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/security.md").read_text()
NAMED = re.compile(r"`(tests/[a-z_/]+\.py)::(test_\w+)`")

# All of V7, and what other chapters of ASVS 5.0 ask of a session layer.
ASVS = (
    "7.1.1 7.1.2 7.1.3 7.2.1 7.2.2 7.2.3 7.2.4 7.3.1 7.3.2 7.4.1 7.4.2 7.4.3 7.4.4 7.4.5 7.5.1 7.5.2 7.5.3 7.6.1 7.6.2 "
    "3.3.1 3.3.2 3.3.3 3.3.4 3.3.5 3.4.4 3.5.1 3.5.2 3.5.3 3.5.4 3.5.5 3.5.6 3.5.7 3.5.8 "
    "4.4.2 14.2.1 14.3.2 16.2.5 16.5.2 16.5.3"
)
# Identity providers are not known to this version.
NOT_MET = ["7.1.3", "7.6.1", "7.6.2"]


def rows(first: str) -> dict[str, list[str]]:
    """The rows whose first cell matches, by that cell; a cell that comes twice fails."""
    found: dict[str, list[str]] = {}
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("|") and re.fullmatch(first, cells[0]):
            assert cells[0] not in found, cells[0]
            found[cells[0]] = cells[1:]
    return found


@cache
def functions_in(path: str) -> frozenset[str]:
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))


def test_all_48_advisories_are_in_the_table_in_order() -> None:
    assert list(rows(r"R\d+")) == [f"R{n}" for n in range(1, 49)]


def test_each_advisory_says_whether_it_applies_and_if_so_names_its_test() -> None:
    for number, (advisory, wrong, applies, tests) in rows(r"R\d+").items():
        assert advisory, number
        assert wrong, number
        verdict = applies.partition(":")[0].partition(",")[0]
        assert verdict in ("yes", "in part", "no"), number
        assert bool(NAMED.findall(tests)) is (verdict != "no"), number
        if verdict != "yes":
            assert applies.partition(":")[2].strip(), f"{number}: say why"


def test_each_requirement_is_in_the_table_once_in_order() -> None:
    assert list(rows(r"\d+\.\d+\.\d+")) == ASVS.split()
    assert list(rows(r"N\d+")) == [f"N{n}" for n in range(1, 15)]


@pytest.mark.parametrize(("number", "cells"), rows(r"(\d+\.\d+\.\d+|N\d+)").items())
def test_each_requirement_is_met_by_a_named_test_or_says_whose_it_is(number: str, cells: list[str]) -> None:
    _, verdict, tests = cells
    said, _, why = verdict.partition(": ")

    assert said.split(" by ")[0].split(";")[0].split(" on ")[0] in ("met", "in part", "yours", "not met"), verdict
    assert bool(NAMED.findall(tests)) is said.startswith(("met", "in part")), verdict
    assert why or said.startswith("met"), "say why, or whose it is"
    assert said.startswith("not met") == (number in NOT_MET)


@pytest.mark.parametrize(("path", "name"), sorted(set(NAMED.findall(PAGE))))
def test_each_named_test_exists(path: str, name: str) -> None:
    assert name in functions_in(path)


def test_no_name_in_the_page_is_misspelt() -> None:
    assert len(re.findall(r"`tests/", PAGE)) == len(NAMED.findall(PAGE)) + PAGE.count("`tests/security`")
