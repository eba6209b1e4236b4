"""Values as JSON and back: nothing changed in silence, and what JSON cannot hold refused where it lies."""

from __future__ import annotations

import datetime
import decimal
import enum
import json
import math
import sys
import uuid
from collections import Counter, OrderedDict, defaultdict, namedtuple
from types import FrameType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markupsafe import Markup
from werkzeug.datastructures import MultiDict

from sojourn import InvalidData, StoreUnavailable
from sojourn.core.codec import (
    MAX_DEPTH,
    MAX_INTEGER,
    EncodedObject,
    altered,
    decode,
    encode,
    is_unicode,
    join,
    plain,
    same_encoding,
    size,
)
from sojourn.core.merge import same
from tests.unit.json_values import json_values, small_values


@given(json_values)
def test_every_json_value_comes_back_as_it_was(value: Any) -> None:
    assert same(decode(encode(value)), value)


@given(json_values)
def test_what_is_written_is_json_for_everybody(value: Any) -> None:
    assert same(json.loads(encode(value)), value)


def test_encoding_is_compact_utf_8() -> None:
    assert encode({"näme": ["Zoë", 1, 1.5, True, None]}) == '{"näme":["Zoë",1,1.5,true,null]}'.encode()


class Text(str):
    """A str that is not quite one."""

    __slots__ = ()

    def __str__(self) -> str:
        return "another"


class Whole(int):
    def __repr__(self) -> str:
        return "another"


class Real(float):
    def __repr__(self) -> str:
        return "another"


class Colour(str, enum.Enum):  # noqa: UP042  # its str() is another
    RED = "red"


class Plain(enum.Enum):
    ONE = 1


class Rank(enum.IntEnum):
    HIGH = 3


Pair = namedtuple("Pair", "left right")  # as untyped as others'

LIKE_DUMPS: list[Any] = [
    (1, (2, 3)),
    Pair(1, "x"),
    OrderedDict(b=1, a=2),
    defaultdict(list, a=[1]),
    Counter("aab"),
    MultiDict([("a", 1), ("b", 2)]),
    Text("x"),
    Whole(7),
    Real(1.5),
    Colour.RED,
    Rank.HIGH,
    Markup("<b>"),
    {True: "b", None: "c", 2.5: "d", Text("e"): "e", Colour.RED: "f", Rank.HIGH: "g", Whole(9): "h", 4: "i"},
    2**63 - 1,
    -(2**63),
    [(), {}, [{"a": (Text("y"),)}]],
]


@pytest.mark.parametrize("value", LIKE_DUMPS, ids=[f"{n} {type(each).__name__}" for n, each in enumerate(LIKE_DUMPS)])
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [v], lambda v: {"a": (0, v)}], ids=["bare", "list", "dict"])
def test_what_json_dumps_takes_is_kept_as_the_same_json(value: Any, wrap: Any) -> None:
    kept = decode(encode(wrap(value)))

    assert same(kept, json.loads(json.dumps(wrap(value))))
    assert same(plain(wrap(value)), kept)


@pytest.mark.parametrize(
    ("value", "instead"),
    [
        ({1}, "a set, which JSON cannot keep. Use a sorted list."),
        (frozenset(), "a frozenset, which JSON cannot keep. Use a sorted list."),
        (b"x", "a bytes, which JSON cannot keep. Use base64 text."),
        (datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC), "Use value.isoformat()."),
        (datetime.date(2026, 1, 1), "Use value.isoformat()."),
        (datetime.timedelta(1), "Use value.total_seconds()."),
        (decimal.Decimal(1), "Use str(value)."),
        (uuid.UUID(int=1), "Use str(value)."),
        (object(), "holds a object, which JSON cannot keep. Use dict, list, str, int, float, bool or None."),
        (Plain.ONE, "holds a Plain, which JSON cannot keep."),
        (1j, "holds a complex, which JSON cannot keep."),
        (math.nan, "holds nan, which JSON has no word for. Use None."),
        (math.inf, "holds inf, which JSON has no word for."),
        (-math.inf, "holds -inf, which JSON has no word for."),
        (2**63, "an integer of more than 64 bits. Keep it as text."),
        (-(2**63) - 1, "an integer of more than 64 bits."),
        (2**70, "an integer of more than 64 bits."),
        (Real("nan"), "holds nan, which JSON has no word for. Use None."),
        ({b"a": "a"}, "has a key of type bytes. JSON's keys are text."),
        ({(1, 2): "a"}, "has a key of type tuple."),
        ({math.nan: "a"}, "has a key of type float."),
        ("\ud800", "text that is not Unicode (a lone surrogate)."),
        ({"\udfff": 1}, "text that is not Unicode (a lone surrogate)."),
    ],
)
@pytest.mark.parametrize("wrap", [lambda v: v, lambda v: [v], lambda v: {"a": [0, v]}], ids=["bare", "list", "dict"])
def test_what_json_cannot_hold_is_refused_with_its_place_and_what_to_use(value: Any, instead: str, wrap: Any) -> None:
    with pytest.raises(InvalidData) as caught:
        encode(wrap(value), "cart")

    assert str(caught.value).startswith("session['cart'] ")
    assert instead in str(caught.value)


@pytest.mark.parametrize(
    "value", [MAX_INTEGER, -MAX_INTEGER, 0, -0.0, 5e-324, 1.7976931348623157e308, "", "\0", [], {}]
)
def test_the_last_values_that_fit_are_kept(value: Any) -> None:
    assert same(decode(encode(value)), value)


def test_thirty_two_levels_are_kept_and_one_more_is_refused() -> None:
    deep: Any = 1
    for level in range(MAX_DEPTH):
        deep = [deep] if level % 2 else {"a": deep}

    assert same(decode(encode(deep)), deep)
    with pytest.raises(InvalidData, match="nested deeper than 32 levels"):
        encode([deep])


def test_a_list_that_holds_itself_is_refused() -> None:
    ring: list[Any] = []
    ring.append(ring)

    with pytest.raises(InvalidData, match="nested deeper"):
        encode(ring)


@given(small_values, small_values)
def test_same_encoding_says_yes_only_for_what_is_the_same(left: Any, right: Any) -> None:
    assert not same_encoding(left, encode(right)) or same(left, right)


@given(json_values)
def test_same_encoding_says_yes_to_a_value_that_was_not_changed(value: Any) -> None:
    assert same_encoding(decode(encode(value)), encode(value))


DAMAGED = {"cut off": "hunter2[", "nothing": "", "too deep": "[" * 20_000}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED)
def test_what_was_never_written_here_is_the_stores_failure_and_not_quoted(text: str) -> None:
    """A damaged row is an outage for its user: neither an empty session nor a bug of the application's."""
    for read in (lambda: decode(text.encode()), lambda: len(EncodedObject('{"a":' + text))):
        with pytest.raises(StoreUnavailable, match="not the JSON that was written") as caught:
            read()
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(("text", "so"), [("", True), ("Zoë 🦊\0", True), ("\ud800", False), ("a\udfff", False)])
def test_a_lone_surrogate_is_not_unicode(text: str, so: bool) -> None:
    assert is_unicode(text) is so


def test_same_encoding_says_no_to_what_cannot_be_encoded() -> None:
    ring: list[Any] = []
    ring.append(ring)

    assert not same_encoding(object(), b"1")
    assert not same_encoding("\ud800", b"1")
    assert not same_encoding(ring, b"[]")


@given(st.dictionaries(st.text(), json_values))
def test_an_encoded_object_is_its_members_still_encoded(value: dict[str, Any]) -> None:
    members = {key: encode(member) for key, member in value.items()}
    found = EncodedObject(join(members))

    assert dict(found) == members
    assert len(found) == len(members)
    assert list(found) == list(members)
    assert all(key in found for key in members)
    assert EncodedObject(join(found)) == found


@settings(max_examples=30)
@pytest.mark.parametrize("kept", ["dict", "json", "texts"])
@given(st.dictionaries(st.text(), small_values), st.dictionaries(st.text(), st.none() | small_values.map(encode)))
def test_altered_data_is_another_with_the_rest_as_it_was(
    kept: str, value: dict[str, Any], changes: dict[str, bytes | None]
) -> None:
    members = {key: encode(member) for key, member in value.items()}
    # As PostgreSQL and Redis keep them.
    texts = json.dumps({key: member.decode() for key, member in members.items()})
    data = {"dict": members, "json": EncodedObject(join(members)), "texts": EncodedObject(texts, json.loads)}[kept]
    wanted = {key: raw for key, raw in {**members, **changes}.items() if raw is not None}

    found = altered(data, changes)

    assert dict(found) == wanted
    assert {key: found.get(key) for key in {*wanted, *changes, "no key"}} == {
        key: wanted.get(key) for key in {*wanted, *changes, "no key"}
    }
    assert (join(found), size(found)) == (join(wanted), size(wanted))
    assert dict(data) == members


def test_what_a_change_costs_in_calls_does_not_grow_with_the_keys() -> None:
    calls: dict[int, list[str]] = {10: [], 1000: []}
    for keys, entered in calls.items():
        data = EncodedObject(join({f"k{n}": b"1" for n in range(keys)}))

        def note(frame: FrameType, event: str, _: object, entered: list[str] = entered) -> None:
            if event == "call":
                entered.append(frame.f_code.co_name)

        sys.setprofile(note)
        try:
            found = altered(data, {"k7": b"2"})
            size(found)
            join(found)
        finally:
            sys.setprofile(None)

    assert calls[10] == calls[1000]


def test_an_encoded_object_is_not_looked_at_before_it_is_asked() -> None:
    found = EncodedObject("no JSON at all")
    assert found.untouched

    good = EncodedObject('{"a":1}')
    assert "b" not in good
    assert not good.untouched
    with pytest.raises(KeyError):
        good["b"]


@given(
    st.dictionaries(
        st.text(st.characters(min_codepoint=32, exclude_characters='"\\', exclude_categories=["Cs"])), json_values
    )
)
def test_the_size_is_that_of_the_joined_text(value: dict[str, Any]) -> None:
    members = {key: encode(member) for key, member in value.items()}

    assert size(members) == len(join(members).encode())


def test_the_size_of_nothing_is_two_bytes() -> None:
    assert size({}) == 2
