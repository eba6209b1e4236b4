"""Policy: its defaults, the bounds of every field, and messages that name the field."""

from __future__ import annotations

import math
from dataclasses import FrozenInstanceError, fields
from typing import Any

import pytest

from sojourn import ConfigurationError, Lifetime, Policy
from sojourn.core.policy import LONGEST

BOUNDS = {
    "idle_timeout": (1, 43_200),
    "absolute_timeout": (1800, LONGEST),
    "touch_interval": (0, 900),
    "rotate_interval": (0, LONGEST),
    "rotate_grace": (0, 3600),
    "keep_ended": (0, LONGEST),
    "max_bytes": (2, 16 * 1024 * 1024),
    "max_sessions": (1, 10_000),
}
CHOICES = {
    "on_limit": ("end_oldest", "refuse"),
    "on_conflict": ("last_writer_wins", "raise"),
    "keep_client": ("all", "network", "none"),
    "binding": ("off", "prefer", "require"),
}
OPTIONAL = {"touch_interval", "rotate_interval", "max_sessions", "remember"}


def test_the_defaults_are_half_an_hour_and_half_a_day() -> None:
    policy = Policy()

    assert (policy.idle_timeout, policy.absolute_timeout) == (1800, 43_200)
    assert policy.remember == Lifetime(idle_timeout=14 * 86400, absolute_timeout=30 * 86400)
    assert (policy.rotate_interval, policy.rotate_grace) == (3600, 60)
    assert (policy.max_sessions, policy.on_limit, policy.on_conflict) == (100, "end_oldest", "last_writer_wins")
    assert (policy.keep_ended, policy.max_bytes, policy.keep_client) == (86400, 32768, "all")
    assert policy.binding == "off"


def test_this_page_knows_every_field() -> None:
    assert {field.name for field in fields(Policy)} == {*BOUNDS, *CHOICES, "remember"}


@pytest.mark.parametrize(("name", "value"), [(name, bound) for name, bounds in BOUNDS.items() for bound in bounds])
def test_the_bounds_themselves_are_allowed(name: str, value: Any) -> None:
    assert getattr(Policy(**{name: value}), name) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (name, value)
        for name, (low, high) in BOUNDS.items()
        for value in (low - 1, high + 1, -math.inf, math.nan, math.inf)
    ],
)
def test_beyond_the_bounds_is_refused_and_the_field_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Policy(**{name: value})


@pytest.mark.parametrize("value", ["60", True, b"1", [1]])
@pytest.mark.parametrize("name", BOUNDS)
def test_what_is_no_number_is_refused_and_the_field_named(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=rf"{name}=.*give a (whole )?number from"):
        Policy(**{name: value})


@pytest.mark.parametrize("name", ["max_bytes", "max_sessions"])
def test_what_is_counted_is_a_whole_number(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}=2.5"):
        Policy(**{name: 2.5})  # type: ignore[arg-type]  # as a caller without mypy might


@pytest.mark.parametrize("name", sorted(BOUNDS.keys() - OPTIONAL))
def test_none_is_no_number_where_there_is_no_never(name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Policy(**{name: None})  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize("name", sorted(OPTIONAL))
def test_none_is_allowed_where_it_means_never(name: str) -> None:
    assert getattr(Policy(**{name: None}), name) is None  # type: ignore[arg-type]  # as above


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in CHOICES.items() for value in values])
def test_a_choice_is_one_of_its_words(name: str, value: Any) -> None:
    assert getattr(Policy(**{name: value}), name) == value


@pytest.mark.parametrize("value", ["", "Raise", None, 1])
@pytest.mark.parametrize("name", CHOICES)
def test_any_other_word_is_refused_with_the_ones_there_are(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"{name}=.*'{CHOICES[name][0]}', '{CHOICES[name][1]}'"):
        Policy(**{name: value})


def test_an_idle_timeout_that_could_never_act_is_refused() -> None:
    for make in (Policy, Lifetime):
        with pytest.raises(ConfigurationError, match=r"idle_timeout \(61 s\) is over absolute_timeout \(60 s\)"):
            make(idle_timeout=61, absolute_timeout=60)
        make(idle_timeout=60, absolute_timeout=60)


@pytest.mark.parametrize("name", ["idle_timeout", "absolute_timeout"])
@pytest.mark.parametrize("value", [0, LONGEST + 1, math.nan, "1", None])
def test_a_lifetime_has_the_same_bounds(name: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=name):
        Lifetime(**{"idle_timeout": 60, "absolute_timeout": 60, name: value})


@pytest.mark.parametrize("value", [True, 30, (60, 60)])
def test_remember_is_a_lifetime_or_none(value: Any) -> None:
    with pytest.raises(ConfigurationError, match="remember"):
        Policy(remember=value)


@pytest.mark.parametrize(
    ("policy", "milliseconds"),
    [
        (Policy(), 60_000),
        (Policy(idle_timeout=300), 30_000),
        (Policy(idle_timeout=1), 100),
        (Policy(touch_interval=0), 0),
        (Policy(touch_interval=2.5), 2500),
    ],
)
def test_touching_waits_a_tenth_of_the_idle_timeout_and_at_most_a_minute(policy: Policy, milliseconds: int) -> None:
    assert policy.touch_ms == milliseconds
    assert isinstance(policy.touch_ms, int)


def test_rotation_may_be_never() -> None:
    assert Policy(rotate_interval=None).rotate_ms == math.inf
    assert Policy(rotate_interval=0.5).rotate_ms == 500


def test_the_lifetime_is_the_longer_pair_for_who_is_remembered() -> None:
    longer = Lifetime(idle_timeout=100, absolute_timeout=200)
    policy = Policy(idle_timeout=10, absolute_timeout=20, remember=longer)

    assert policy.lifetime(remember=False) == Lifetime(idle_timeout=10, absolute_timeout=20)
    assert policy.lifetime(remember=True) is longer


def test_to_be_remembered_where_nobody_is_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"Policy\(remember=Lifetime\(\.\.\.\)\)"):
        Policy(remember=None).lifetime(remember=True)


def test_a_policy_never_changes() -> None:
    with pytest.raises(FrozenInstanceError):
        Policy().idle_timeout = 1  # type: ignore[misc]  # what is tried here
