"""The list of what may differ, in other people's suites, is kept true: tests/suites."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.suites import suite
from tests.suites.suite import DIFFERENCES, Outcome, complaints, read_differences

RIGHT = Outcome(frozenset({"a", "b"}), {"c": "theirs"})


def test_a_run_is_right_where_just_what_is_on_the_list_fails() -> None:
    assert complaints(RIGHT, {"c"}) == []


def test_a_failure_without_a_reason_is_told_with_its_cause() -> None:
    assert complaints(RIGHT, set()) == ["fails: c\n    theirs"]


def test_a_difference_that_no_longer_exists_fails_the_run() -> None:
    (told,) = complaints(RIGHT, {"a", "c"})

    assert "differs no longer" in told
    assert told.endswith(": a")


def test_a_difference_whose_test_was_not_run_fails_the_run() -> None:
    assert complaints(RIGHT, {"c", "gone"}) == ["is on the list and was not run: gone"]


def test_a_suite_of_which_nothing_passes_is_not_right() -> None:
    assert complaints(Outcome(frozenset(), {"c": "theirs"}), {"c"}) == ["no test passed"]


@pytest.mark.parametrize("file", sorted(DIFFERENCES.glob("*.toml")), ids=lambda file: file.stem)
def test_each_difference_has_a_reason_and_is_there_once(file: Path) -> None:
    assert read_differences(file.stem)


@pytest.mark.parametrize(
    "text",
    [
        'tests = ["a"]',
        'reason = " "\ntests = ["a"]',
        'reason = "r"',
        'reason = "r"\ntests = []',
        'reason = "r"\ntests = ["a", "a"]',
    ],
)
def test_a_list_that_says_no_reason_or_names_no_test_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr(suite, "DIFFERENCES", tmp_path)
    (tmp_path / "some.toml").write_text(f"[[difference]]\n{text}\n")

    with pytest.raises(ValueError, match=r"differ|twice"):
        read_differences("some")
