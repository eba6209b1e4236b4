"""A session's data: a mapping whose changes, nested ones too, are found by comparing."""

from __future__ import annotations

import copy
import enum
import json
import math
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sojourn import Client, InvalidData, Session, SessionCommitted
from sojourn.core import changes
from sojourn.core.apply import changed
from sojourn.core.codec import MAX_INTEGER, decode, encode
from sojourn.core.merge import same
from sojourn.core.outcome import become, rebase
from sojourn.core.store import Change
from sojourn.testing.records import NOW, commit, make_record
from tests.unit.json_values import small_keys, small_values


def loaded(base: Mapping[str, bytes]) -> Session:
    """A session that was loaded with this data."""
    return Session(make_record(data=base), NOW, Client())


def data(**values: Any) -> Session:
    """The same, of `values`."""
    return loaded({key: encode(value) for key, value in values.items()})


def on_top(found: Session, theirs: Mapping[str, bytes]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Put the session's changes on top of `theirs`: the keys that were merged, and those that lost something."""
    lost = rebase(found, make_record(data=theirs))
    return tuple(found._merged), lost


def settle(found: Session) -> None:
    """As after a commit."""
    become(found, make_record(), None, found._encoded(), found._counters)


# Reading


def test_it_reads_like_a_dict() -> None:
    found = data(a=1, b=[2], c=None)

    assert dict(found) == {"a": 1, "b": [2], "c": None}
    assert list(found) == ["a", "b", "c"]
    assert len(found) == 3
    assert "a" in found
    assert "z" not in found
    assert found.get("z", 5) == 5
    assert found == {"a": 1, "b": [2], "c": None}
    with pytest.raises(KeyError, match="z"):
        found["z"]


def test_reading_changes_nothing() -> None:
    found = data(a=1, b=[2], c={"x": {}})
    dict(found.items())

    assert found._changes() == {}
    assert found._increments() == {}


def test_a_container_that_was_fetched_twice_is_one_object() -> None:
    found = data(cart=[], box={})

    assert found["cart"] is found["cart"]
    assert found["box"] is found["box"]


LOOKS = {
    "getitem": lambda found: found["a"],
    "get": lambda found: found.get("z"),
    "in": lambda found: "z" in found,
    "iter": list,
    "len": len,
    "set": lambda found: found.update(a=1),
    "delete": lambda found: found.pop("a"),
    "increment": lambda found: found.increment("a"),
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS)
def test_whoever_looks_or_writes_is_noticed(look: Any) -> None:
    found = data(a=1)
    assert not found._accessed

    look(found)
    assert found._accessed


# Changing


def test_what_was_set_is_a_change_with_what_was_loaded() -> None:
    found = data(a=1)
    found["a"], found["b"] = 2, 3

    assert found._changes() == {"a": Change(b"1", b"2"), "b": Change(None, b"3")}
    assert dict(found) == {"a": 2, "b": 3}


def test_a_value_set_to_what_it_was_is_no_change() -> None:
    found = data(a=1, box={"x": 1, "y": 2})
    found["a"], found["box"] = 1, {"y": 2, "x": 1}

    assert found._changes() == {}


@pytest.mark.parametrize(("before", "after"), [(1, True), (1, 1.0), (0, False), ([1], [True]), ({"a": 1}, {"a": 1.0})])
def test_another_type_is_a_change_though_python_calls_it_equal(before: Any, after: Any) -> None:
    found = data(a=before)
    found["a"] = after

    assert found._changes() == {"a": Change(encode(before), encode(after))}


def test_a_nested_change_in_place_is_found() -> None:
    found = data(cart=[{"sku": 1}], other=[1])
    found["cart"][0]["sku"] = 2
    found["cart"].append("x")

    assert found._changes() == {"cart": Change(b'[{"sku":1}]', b'[{"sku":2},"x"]')}


def test_a_default_that_is_changed_afterwards_is_kept() -> None:
    found = data()
    found.setdefault("cart", []).append(1)

    assert found._changes() == {"cart": Change(None, b"[1]")}


def test_a_deleted_key_is_gone_and_a_change() -> None:
    found = data(a=1, b=2)
    del found["a"]

    assert "a" not in found
    assert dict(found) == {"b": 2}
    assert len(found) == 1
    assert found._changes() == {"a": Change(b"1", None)}
    with pytest.raises(KeyError):
        del found["a"]
    with pytest.raises(KeyError):
        found["a"]


def test_a_key_that_came_and_went_is_no_change() -> None:
    found = data()
    found["a"] = 1
    assert found.pop("a") == 1

    assert found._changes() == {}
    assert dict(found) == {}


def test_a_key_deleted_and_set_again_is_one_change() -> None:
    found = data(a=1)
    del found["a"]
    found["a"] = 2

    assert found._changes() == {"a": Change(b"1", b"2")}
    assert list(found) == ["a"]


@pytest.mark.parametrize("key", [b"a", ("a",), math.nan, object()])
def test_a_key_that_is_no_text_is_refused_at_once(key: Any) -> None:
    found = data()

    with pytest.raises(InvalidData, match=f"keys are text; this one is of type {type(key).__name__}"):
        found[key] = 1
    with pytest.raises(InvalidData):
        found.update({key: 1})


def test_a_key_that_is_not_unicode_is_refused_at_once() -> None:
    found = data()

    with pytest.raises(InvalidData, match="lone surrogate"):
        found["\ud800"] = 1
    with pytest.raises(InvalidData, match="lone surrogate"):
        found.increment("\ud800")
    assert dict(found) == {}


def test_every_other_text_is_a_key() -> None:
    found = data()
    for key in ("", "Zoë 🦊", "\0", 'quo"te', "ключ"):
        found[key] = 1
        assert found.increment(key) == 2

    assert found._changes().keys() == found.keys()


def test_a_value_that_json_cannot_hold_is_refused_with_its_key() -> None:
    found = data(a=1)
    found["when"] = {"at": {1, 2}}

    with pytest.raises(InvalidData, match=r"session\['when'\] holds a set"):
        found._changes()
    with pytest.raises(InvalidData, match=r"session\['when'\] holds a set"):
        found._encoded()


@pytest.mark.parametrize(
    ("loaded", "value"),
    [(None, math.nan), ([1, 2], {1, 2}), ({"1": 2}, {b"1": 2}), ([None], [math.inf]), ("YQ==", b"a")],
)
def test_a_value_that_json_cannot_hold_is_refused_even_where_its_json_looks_like_what_is_there(
    loaded: Any, value: Any
) -> None:
    """What is refused must not depend on what was in the session before."""
    found = data(a=loaded)
    found["a"] = value

    with pytest.raises(InvalidData):
        found._changes()


class Colour(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


@pytest.mark.parametrize(
    ("loaded", "value"),
    [
        ([1, 2], (1, 2)),
        ({"1": 2}, {1: 2}),
        ({"a": [1]}, OrderedDict(a=[1])),
        ("red", Colour.RED),
        (3, Level.HIGH),
        ({"true": None}, {True: None}),
    ],
)
def test_a_value_whose_json_is_there_already_is_no_change(loaded: Any, value: Any) -> None:
    found = data(a=loaded)
    found["a"] = value

    assert found._changes() == {}


@pytest.mark.parametrize(
    ("key", "text"), [(1, "1"), (1.5, "1.5"), (True, "true"), (None, "null"), (Level.HIGH, "3"), (Colour.RED, "red")]
)
def test_a_key_is_the_text_that_json_dumps_makes_of_it(key: Any, text: str) -> None:
    found = data()
    found[key] = "x"

    assert json.loads(json.dumps({key: 0})) == {text: 0}
    assert (found[key], found[text], key in found, list(found)) == ("x", "x", True, [text])
    del found[key]
    assert list(found) == []


def test_parallel_changes_of_what_was_set_as_a_subclass_are_merged() -> None:
    found = data(a={"x": 1}, b=[1])
    found["a"], found["b"] = OrderedDict(x=1, y=Level.HIGH), (1, Colour.RED)
    rebased = changes.rebased(found._base, found._values, found._counters, {"a": b'{"x":1,"z":5}', "b": b"[1,2]"})

    assert rebased.values == {"a": {"x": 1, "y": 3, "z": 5}, "b": [1, 2, "red"]}
    assert rebased.conflicts == ()


# Counting


def test_increments_add_up_and_are_no_changes() -> None:
    found = data(n=5)

    assert found.increment("n") == 6
    assert found.increment("n", 3) == 9
    assert found.increment("new", -2) == -2
    assert found["n"] == 9
    assert found._changes() == {}
    assert found._increments() == {"n": 4, "new": -2}


def test_an_increment_of_a_value_set_here_is_a_change() -> None:
    found = data(n=5)
    found["n"] = 10
    found.increment("n")

    assert found._changes() == {"n": Change(b"5", b"11")}
    assert found._increments() == {}


def test_an_increment_of_a_key_deleted_here_begins_at_nought_and_is_a_change() -> None:
    found = data(n=5)
    del found["n"]

    assert found.increment("n") == 1
    assert found._changes() == {"n": Change(b"5", b"1")}
    assert found._increments() == {}


def test_an_increment_of_a_value_set_to_what_it_was_still_adds_up() -> None:
    found = data(n=5)
    found["n"] = 5
    found.increment("n")

    assert found._changes() == {}
    assert found._increments() == {"n": 1}


@pytest.mark.parametrize("then", [lambda found: found.update(n=2), lambda found: found.pop("n")], ids=["set", "delete"])
def test_setting_or_deleting_a_counter_ends_the_counting(then: Any) -> None:
    found = data(n=5)
    found.increment("n")
    found.increment("other")
    then(found)

    assert found._increments() == {"other": 1}
    assert set(found._changes()) == {"n"}


def test_a_counter_that_comes_back_to_where_it_was_adds_nothing() -> None:
    found = data(n=5)
    found.increment("n", 2)
    found.increment("n", -2)

    assert found._increments() == {}
    assert found._changes() == {}


def test_a_new_counter_that_stands_at_nought_is_there() -> None:
    found = data()
    found.increment("n", 0)

    assert dict(found) == {"n": 0}
    assert found._increments() == {"n": 0}


@pytest.mark.parametrize("value", [1.0, True, "1", None, [1]])
def test_only_integers_count(value: Any) -> None:
    found = data(n=value)

    with pytest.raises(InvalidData, match="'n'"):
        found.increment("n")
    with pytest.raises(InvalidData, match="'m'"):
        found.increment("m", value)
    assert found._changes() == {}
    assert found._increments() == {}


@pytest.mark.parametrize(("start", "by"), [(MAX_INTEGER, 1), (-MAX_INTEGER, -1), (0, 2**60)])
def test_a_sum_beyond_what_javascript_holds_is_refused(start: int, by: int) -> None:
    found = data(n=start)

    with pytest.raises(InvalidData, match="sum within"):
        found.increment("n", by)
    assert found["n"] == start


# Rebasing


def encoded(**values: Any) -> dict[str, bytes]:
    return {key: encode(value) for key, value in values.items()}


def test_changes_are_put_on_top_of_newer_data() -> None:
    found = data(a=1, b=1, gone=1)
    found["a"] = 2
    del found["gone"]
    touched = on_top(found, encoded(a=1, b=9, gone=1, c=3))

    assert touched == ((), ())
    assert dict(found) == {"a": 2, "b": 9, "c": 3}
    assert found._changes() == {"a": Change(b"1", b"2"), "gone": Change(b"1", None)}


def test_a_rebase_tells_what_was_merged_and_what_was_lost() -> None:
    found = data(cart=["x"], theme="dark", same=1)
    found["cart"].append("mine")
    found["theme"], found["same"] = "light", 2
    merged, conflicts = on_top(found, encoded(cart=["x", "theirs"], theme="blue", same=2))

    assert merged == ("cart", "theme", "same")
    assert conflicts == ("theme",)
    assert dict(found) == {"cart": ["x", "theirs", "mine"], "theme": "light", "same": 2}
    assert set(found._changes()) == {"cart", "theme"}


@pytest.mark.parametrize(("theirs", "total"), [({"n": 7}, 9), ({}, 2)])
def test_a_counter_goes_on_from_what_is_there_now(theirs: dict[str, int], total: int) -> None:
    found = data(n=5)
    found.increment("n", 2)
    touched = on_top(found, encoded(**theirs))

    assert touched == ((), ())
    assert found["n"] == total
    assert found._increments() == {"n": 2}


def test_a_counter_that_became_something_else_is_a_conflict() -> None:
    found = data(n=5)
    found.increment("n", 2)
    touched = on_top(found, encoded(n="five"))

    assert touched == (("n",), ("n",))
    assert found._increments() == {}
    assert found._changes() == {"n": Change(b'"five"', b"7")}


def test_a_counter_that_others_took_to_the_end_is_refused_not_tried_for_ever() -> None:
    found = data(n=MAX_INTEGER - 1)
    found.increment("n")

    with pytest.raises(InvalidData, match="'n'"):
        on_top(found, encoded(n=MAX_INTEGER))


def test_what_was_only_looked_at_is_theirs_after_a_rebase() -> None:
    found = data(cart=["x"])
    assert found["cart"] == ["x"]
    on_top(found, encoded(cart=["y"]))

    assert found["cart"] == ["y"]
    assert found._changes() == {}


# The end


def test_after_it_was_settled_there_is_nothing_to_write() -> None:
    found = data(a=1, n=1)
    found["a"], found["cart"] = 2, []
    found.increment("n")
    settle(found)

    assert found._changes() == {}
    assert found._increments() == {}
    found["cart"].append(1)
    found.increment("n")
    assert found._changes() == {"cart": Change(b"[]", b"[1]")}
    assert found._increments() == {"n": 1}


def test_replace_all_forgets_changes_and_counters() -> None:
    found = data(a=1)
    found["a"] = 2
    found.increment("n")
    found._replace_data(encoded(b=1))

    assert dict(found) == {"b": 1}
    assert found._changes() == {}
    assert found._increments() == {}


WRITES = {
    "set": lambda found: found.update(a=1),
    "delete": lambda found: found.pop("a"),
    "increment": lambda found: found.increment("a"),
    "clear": lambda found: found.clear(),
    "default": lambda found: found.setdefault("b", 1),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_once_sealed_it_can_be_read_and_not_changed(write: Any) -> None:
    found = data(a=1)
    found._sealed = True

    with pytest.raises(SessionCommitted, match="before the first byte of the response"):
        write(found)
    assert dict(found) == {"a": 1}


# The model: a plain dict

Step = tuple[str, str, Any]
steps = st.lists(
    st.tuples(st.just("set"), small_keys, small_values)
    | st.tuples(st.sampled_from(["del", "pop", "read", "settle"]), small_keys, st.none())
    | st.tuples(st.sampled_from(["append", "put", "default"]), small_keys, small_values)
    | st.tuples(st.just("increment"), small_keys, st.integers(-2, 2))
    | st.tuples(st.just("clear"), small_keys, st.none()),
    max_size=12,
)


def take(step: Step, session: Session | dict[str, Any]) -> None:
    """One step, on a session or on the dict that it should be like."""
    act, key, value = step
    found, value = session.get(key), copy.deepcopy(value)
    match act:
        case "set":
            session[key] = value
        case "del" if key in session:
            del session[key]
        case "pop":
            session.pop(key, None)
        case "default":
            session.setdefault(key, value)
        case "append" if isinstance(found, list):
            found.append(value)
        case "put" if isinstance(found, dict):
            found["new"] = value
        case "clear":
            session.clear()
        case "increment" if type(session.get(key, 0)) is int:
            count(session, key, value)


def count(session: Session | dict[str, Any], key: str, by: int) -> None:
    """An increment, which a dict does not have."""
    if isinstance(session, Session):
        session.increment(key, by)
    else:
        session[key] = session.get(key, 0) + by


@given(st.dictionaries(small_keys, small_values), steps)
@example({}, [("increment", "a", 1), ("increment", "a", -1)])
def test_whatever_is_done_the_store_then_has_what_a_dict_would(base: dict[str, Any], done: list[Step]) -> None:
    record = make_record(data={key: encode(value) for key, value in base.items()})
    session, model = loaded(record.data), copy.deepcopy(base)
    for step in done:
        if step[0] == "settle":
            after = changed(record, commit(record, changes=session._changes(), increments=session._increments()))
            assert after is not None
            record = after
            settle(session)
        take(step, session)
        take(step, model)
        assert same(dict(session), model)
    changes, increments = session._changes(), session._increments()
    after = changed(record, commit(record, changes=changes, increments=increments))

    assert after is not None
    assert same({key: decode(value) for key, value in after.data.items()}, model)
    assert same({key: decode(value) for key, value in session._encoded().items()}, model)
    assert changes.keys().isdisjoint(increments)
    assert len(session) == len(model)
    assert (after.version > record.version) is bool(changes or increments)


keyed_steps = steps.map(lambda taken: [step for step in taken if step[0] not in ("clear", "settle")])


@given(st.dictionaries(small_keys, small_values), keyed_steps, keyed_steps)
def test_writers_of_different_keys_need_no_merge(base: dict[str, Any], mine: list[Step], theirs: list[Step]) -> None:
    """My keys are a to c, theirs are A to C: the second commit applies as it is, and all of both is there."""
    model = copy.deepcopy(base) | {key.upper(): copy.deepcopy(value) for key, value in base.items()}
    record = make_record(data={key: encode(value) for key, value in model.items()})
    base_data = record.data
    for done in (mine, [(act, key.upper(), value) for act, key, value in theirs]):
        session = loaded(base_data)
        for step in done:
            take(step, session)
            take(step, model)
        after = changed(record, commit(record, changes=session._changes(), increments=session._increments()))
        assert after is not None
        record = after

    assert same({key: decode(value) for key, value in record.data.items()}, model)
