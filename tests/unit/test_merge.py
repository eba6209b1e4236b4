"""merge(base, mine, theirs): what both sides changed is kept, and where it cannot be, that is said."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.core.codec import encode
from sojourn.core.merge import MISSING, merge, same
from tests.unit.json_values import json_values, small_keys, small_leaves, small_values

missing_or_value = st.just(MISSING) | small_values
objects = st.dictionaries(small_keys, small_values, max_size=3)
without_lists = st.recursive(small_leaves, lambda inner: st.dictionaries(small_keys, inner, max_size=3), max_leaves=6)


@pytest.mark.parametrize(
    ("base", "mine", "theirs", "merged", "lossy"),
    [
        # One side changed.
        (1, 1, 2, 2, False),
        (1, 2, 1, 2, False),
        (1, 1, 1, 1, False),
        (1, MISSING, 1, MISSING, False),
        (1, 1, MISSING, MISSING, False),
        (MISSING, 1, MISSING, 1, False),
        # Both did the same.
        (1, 2, 2, 2, False),
        (1, MISSING, MISSING, MISSING, False),
        (MISSING, 1, 1, 1, False),
        (MISSING, ["a"], ["a"], ["a"], False),
        # Both did, differently: the later writer's stays, and it is said.
        (1, 2, 3, 2, True),
        (1, MISSING, 3, MISSING, True),
        (1, 2, MISSING, 2, True),
        (MISSING, 1, 2, 1, True),
        (1, [1], {"a": 1}, [1], True),
        ({"a": 1}, [1], [2], [1], True),
        (1, True, 2, True, True),
        # A back end gave 1 back for 1.0, or 1.0 for 1: no change of its own.
        (1, True, 1.0, True, False),
        (1, 1.0, True, True, False),
        (1.0, 1, 2.5, 2.5, False),
        ({"a": 1.0, "b": 1}, {"a": 1, "b": 2}, {"a": 1.0, "b": 1, "c": 1}, {"a": 1, "b": 2, "c": 1}, False),
        ([1], [1, 2], [1.0, 3], [1.0, 3, 2], False),
        ([{"at": 9}], [{"at": 9}, "mine"], [{"at": 9.0}, "theirs"], [{"at": 9.0}, "theirs", "mine"], False),
        # Dictionaries, key by key.
        ({"a": 1, "b": 1}, {"a": 2, "b": 1}, {"a": 1, "b": 2}, {"a": 2, "b": 2}, False),
        ({"a": 1, "b": 1}, {"b": 1}, {"a": 1}, {}, False),
        ({}, {"a": 1}, {"b": 2}, {"a": 1, "b": 2}, False),
        (MISSING, {"a": 1}, {"b": 2}, {"a": 1, "b": 2}, False),
        ({"a": {"x": 1}}, {"a": {"x": 1, "y": 2}}, {"a": {"x": 1, "z": 3}}, {"a": {"x": 1, "y": 2, "z": 3}}, False),
        ({"a": 1}, {"a": 2, "b": 1}, {"a": 3, "c": 1}, {"a": 2, "b": 1, "c": 1}, True),
        ({"a": 1}, {}, {"a": 2}, {}, True),
        # Lists that only grew.
        ([], ["a"], ["b"], ["b", "a"], False),
        ([1], [1, 2], [1, 3, 4], [1, 3, 4, 2], False),
        (MISSING, ["a"], ["b"], ["b", "a"], False),
        ([1], [1, 2], [1, 2], [1, 2, 2], False),
        # And lists that did not.
        ([1], [], [1, 2], [], True),
        ([1], [2, 1], [1, 2], [2, 1], True),
        ([1], [1, 2], [True, 2], [1, 2], True),
        ([1], [2], [2], [2], False),
        ([1, 2], [1], [1], [1], False),
        # What is empty is an empty anything: PHP has one array for dictionaries and lists.
        ([], {"7": 1}, {"8": 1}, {"7": 1, "8": 1}, False),
        ({}, ["a"], ["b"], ["b", "a"], False),
        (MISSING, {"7": 1}, [], {"7": 1}, False),
        (MISSING, [], ["a"], ["a"], False),
        ({"a": 1}, [], {"a": 1, "b": 2}, {"b": 2}, False),
        ({"a": 1, "b": 2}, {"a": 1}, [], {}, False),
        ({"a": 1}, [], {"a": 2}, {}, True),
        ({"a": []}, {"a": {"x": 1}}, {"a": {"y": 2}}, {"a": {"x": 1, "y": 2}}, False),
        ({}, [], 5, 5, False),
        ({}, 5, [], 5, False),
        (5, [], {}, [], False),
        ([1], [], {}, [], False),
        ({}, MISSING, [], MISSING, False),
        ([], ["a"], {"b": 1}, ["a"], True),
        (5, [], {"a": 1}, [], True),
        ({}, [1], [2], [2, 1], False),
        ([1], {}, [1, 2], {}, True),
        (MISSING, [[]], [{}], [[]], False),
        # And its keys may be numbers, which may be a list's.
        ([], [2], {"7": 1}, {"0": 2, "7": 1}, False),
        ([], {"7": 1}, [2], {"0": 2, "7": 1}, False),
        ([2], {"0": 2, "7": 1}, {"0": 2, "8": 1}, {"0": 2, "7": 1, "8": 1}, False),
        (["a", "b"], {"1": "b"}, ["a", "b", "c"], {"1": "b", "2": "c"}, False),
        ([], ["a"], {"0": "b", "1": "c"}, {"0": "a", "1": "c"}, True),
        ([], ["a"], {"01": "b"}, ["a"], True),
        (1, 2, 2.0, 2, False),
    ],
)
def test_the_table_of_merges(base: Any, mine: Any, theirs: Any, merged: Any, lossy: bool) -> None:
    value, lost = merge(base, mine, theirs)

    assert same(value, merged)
    assert lost is lossy


@given(missing_or_value, missing_or_value)
def test_where_i_changed_nothing_theirs_stays(base: Any, theirs: Any) -> None:
    value, lost = merge(base, copy.deepcopy(base) if base is not MISSING else MISSING, theirs)

    assert same(value, theirs)
    assert not lost


@given(missing_or_value, missing_or_value)
def test_where_they_changed_nothing_mine_stays(base: Any, mine: Any) -> None:
    value, lost = merge(base, mine, copy.deepcopy(base) if base is not MISSING else MISSING)

    assert same(value, mine)
    assert not lost


@given(st.just(MISSING) | without_lists, st.just(MISSING) | without_lists)
def test_the_same_change_twice_counts_once(base: Any, both: Any) -> None:
    value, lost = merge(base, both, both)

    assert same(value, both)
    assert not lost


@given(missing_or_value, missing_or_value, missing_or_value)
def test_without_a_conflict_the_sides_can_be_swapped(base: Any, mine: Any, theirs: Any) -> None:
    one, lost = merge(base, mine, theirs)
    other, lost_too = merge(base, theirs, mine)

    assert lost is lost_too
    assert lost or _unordered(one) == _unordered(other)


@given(small_values, small_values, small_values)
def test_no_argument_is_changed(base: Any, mine: Any, theirs: Any) -> None:
    before = copy.deepcopy((base, mine, theirs))
    merge(base, mine, theirs)

    assert all(map(same, before, (base, mine, theirs)))


@given(json_values, json_values, json_values)
def test_what_comes_out_is_json(base: Any, mine: Any, theirs: Any) -> None:
    encode(merge(base, mine, theirs)[0])


@given(objects, objects, objects)
def test_a_conflict_leaves_all_that_is_not_in_conflict(base: Any, mine: Any, theirs: Any) -> None:
    """Key by key: a dict's merge is its members' merges, whatever befalls one of them."""
    value, _ = merge(base, mine, theirs)
    for key in base | mine | theirs:
        member, _ = merge(base.get(key, MISSING), mine.get(key, MISSING), theirs.get(key, MISSING))
        assert same(value.get(key, MISSING), member)


@given(st.lists(small_values), st.lists(small_values), st.lists(small_values))
def test_two_lists_that_grew_keep_every_element_of_both(base: list[Any], mine: list[Any], theirs: list[Any]) -> None:
    value, lost = merge(base, base + mine, base + theirs)

    assert not lost
    assert same(value, base + theirs + mine)


@given(small_values, small_values, small_values)
def test_where_nothing_is_lost_each_scalar_of_either_change_is_there(base: Any, mine: Any, theirs: Any) -> None:
    """A member of a dict that one side alone changed is found again as that side wrote it."""
    value, lost = merge({"k": base}, {"k": mine}, {"k": base, "other": theirs})

    assert not lost
    assert same(value, {"k": mine, "other": theirs})


@given(missing_or_value, missing_or_value, missing_or_value, st.data())
def test_how_what_is_empty_is_spelled_decides_nothing(base: Any, mine: Any, theirs: Any, data: st.DataObject) -> None:
    spelled = [_respelled(value, data.draw) for value in (base, mine, theirs)]
    value, lost = merge(base, mine, theirs)
    other, lost_too = merge(*spelled)

    assert lost is lost_too
    assert _unordered(value) == _unordered(other)


@given(small_values, small_values)
def test_same_is_equality_that_knows_types(left: Any, right: Any) -> None:
    assert same(left, right) == (_tagged(left) == _tagged(right))
    assert same(left, copy.deepcopy(left))


@pytest.mark.parametrize(("left", "right"), [(1, 1.0), (1, True), (0, False), (0.0, False), ("1", 1), (None, False)])
def test_same_tells_apart_what_python_calls_equal(left: Any, right: Any) -> None:
    assert not same(left, right)
    assert not same([left], [right])
    assert not same({"a": left}, {"a": right})


def test_a_dict_has_no_order_and_a_list_has() -> None:
    assert same({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert not same([1, 2], [2, 1])
    assert not same([1], [1, 2])
    assert not same({"a": 1}, {"a": 1, "b": 2})


def test_missing_has_a_name() -> None:
    assert repr(MISSING) == "MISSING"


def _tagged(value: Any) -> Any:
    if type(value) is dict:
        return ("dict", {key: _tagged(member) for key, member in value.items()})
    if type(value) is list:
        return ("list", [_tagged(member) for member in value])
    return (type(value), value)


def _respelled(value: Any, draw: Callable[[st.SearchStrategy[Any]], Any]) -> Any:
    """The same, but that any empty list in it may be an empty dict, and the other way round."""
    if type(value) not in (dict, list):
        return value
    if not value:
        return draw(st.sampled_from([[], {}]))
    if type(value) is dict:
        return {key: _respelled(member, draw) for key, member in value.items()}
    return [_respelled(member, draw) for member in value]


def _unordered(value: Any) -> Any:
    if value in ([], {}):
        return "empty"
    if type(value) is dict:
        return repr(sorted((key, _unordered(member)) for key, member in value.items()))
    if type(value) is list:
        return repr(sorted(_unordered(member) for member in value))
    return repr(float(value) if type(value) is int else value)
