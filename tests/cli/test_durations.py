"""Durations and moments, as people write and read them."""

from __future__ import annotations

import pytest

from sojourn.cli.duration import parse_duration, relative, spell
from sojourn.cli.terminal import safe, width


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("30m", 1800), ("12h", 43200), ("14d", 1209600), ("1h30m", 5400), ("1.5h", 5400), ("0s", 0)],
)
def test_a_duration_is_a_number_with_a_unit(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "30", "m", "-5m", "5 m", "1e9s", "nan", "inf", "30M", "٣s", "1.s", "5m\n"])
def test_anything_else_is_no_duration(text: str) -> None:
    assert parse_duration(text) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.5, "0.5 s"),
        (45, "45 s"),
        (90, "1 min 30 s"),
        (1800, "30 min"),
        (5400, "1 h 30 min"),
        (86400, "24 h"),
        (1209600, "14 d"),
        (2 * 86400 + 3661, "2 d 1 h"),
    ],
)
def test_a_duration_is_spelled_in_its_two_largest_units(seconds: float, text: str) -> None:
    assert spell(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "now"),
        (-5, "5 s ago"),
        (-180, "3 min ago"),
        (1679, "in 27 min"),
        (-7300, "2 h ago"),
        (30 * 86400, "in 30 d"),
    ],
)
def test_a_moment_is_told_from_now(seconds: int, text: str) -> None:
    now = 1_800_000_000_000
    assert relative(now + seconds * 1000, now) == text


def test_text_is_made_safe_and_measured_in_cells() -> None:
    assert safe("a\x1b[2J\x9b\u202e\nü田") == "a\\x1b[2J\\x9b\\u202e\\nü田"
    assert [width(text) for text in ("abc", "田中", "e\u0301", "")] == [3, 4, 1, 0]
