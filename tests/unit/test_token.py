"""The token: how it is made, what is one, and that its secret stays hidden."""

from __future__ import annotations

import hashlib
import os
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.core.token import Token, mint, parse, partition

ID = "0123456789abcdef" * 2
SECRET = "fedcba9876543210" * 4
GOOD = f"sj1-{ID}-{SECRET}"


def test_a_token_is_a_name_an_id_and_a_secret() -> None:
    token = parse(GOOD)

    assert token is not None
    assert token.id == ID
    assert token.reveal() == GOOD
    assert token.hash == hashlib.sha256(SECRET.encode()).digest()[:16]
    assert token.family == hashlib.sha256(SECRET[:32].encode()).digest()[:16]


def test_a_hundred_thousand_tokens_are_all_different_and_all_well_formed() -> None:
    shape = re.compile(r"sj1-[0-9a-f]{32}-[0-9a-f]{64}")
    texts = [mint(None, os.urandom).reveal() for _ in range(100_000)]

    assert len({text[4:36] for text in texts}) == 100_000
    assert len({text[37:] for text in texts}) == 100_000
    assert all(shape.fullmatch(text) for text in texts)


def test_every_digit_of_a_token_comes_from_the_random_source() -> None:
    token = mint(None, lambda count: bytes(range(count)))

    assert token.reveal() == f"sj1-{bytes(range(16)).hex()}-{bytes(range(16, 48)).hex()}"


def test_a_users_ids_begin_with_the_users_partition() -> None:
    ids = {mint("ada", os.urandom).id for _ in range(100)}

    assert {id[:3] for id in ids} == {partition("ada")}
    assert len(ids) == 100
    assert partition("ada") == hashlib.sha256(b"ada").hexdigest()[:3]


def test_an_anonymous_id_begins_at_random() -> None:
    assert len({mint(None, os.urandom).id[:3] for _ in range(200)}) > 50


def test_a_users_token_keeps_the_random_rest_of_the_id_and_the_whole_secret() -> None:
    token = mint("Zoë 🦊", lambda count: bytes(range(count)))

    assert token.id == partition("Zoë 🦊") + bytes(range(16)).hex()[3:]
    assert token.reveal().endswith(bytes(range(16, 48)).hex())


def test_a_renewed_token_keeps_id_and_family_and_has_another_part() -> None:
    token = mint(None, os.urandom)
    renewed, other = token.renewed(os.urandom), token.renewed(os.urandom)

    assert renewed.reveal()[:69] == token.reveal()[:69]
    assert renewed.family == token.family
    assert len({token.hash, renewed.hash, other.hash}) == 3
    assert parse(renewed.reveal()) is not None


@pytest.mark.parametrize("write", [repr, str, "{}".format, lambda token: f"{token!r:>5}"])
def test_no_way_to_print_a_token_shows_its_secret(write: type[str]) -> None:
    text = write(Token(ID, SECRET))

    assert SECRET not in text
    assert ID in text


HOSTILE = {
    "nothing": "",
    "one short": GOOD[:-1],
    "one long": GOOD + "0",
    "a line end": GOOD + "\n",
    "a line end in place of a digit": GOOD[:-1] + "\n",
    "CRLF": GOOD[:-2] + "\r\n",
    "NUL at the end": GOOD[:-1] + "\0",
    "NUL in the id": GOOD[:10] + "\0" + GOOD[11:],
    "upper case": GOOD.upper(),
    "upper case digits": "sj1" + GOOD[3:].upper(),
    "upper case name": "SJ1" + GOOD[3:],
    "another version": "sj2" + GOOD[3:],
    "space before": " " + GOOD,
    "space after": GOOD + " ",
    "space in place of a digit": GOOD[:-1] + " ",
    "Arabic digits": GOOD[:-1] + "\u0663",
    "full-width digits": GOOD[:-1] + "\uff10",
    "full-width letters": GOOD[:-1] + "\uff41",
    "no hex": GOOD[:-1] + "g",
    "a path": ("sj1-" + "../" * 40)[:101],
    "a path in the id": "sj1-../../" + GOOD[10:],
    "a wildcard": "sj1-" + "*" * 32 + "-" + SECRET,
    "SQL": ("sj1-' OR 1=1 --" + GOOD)[:101],
    "underscores": GOOD.replace("-", "_"),
    "quotes": '"' + GOOD[1:-1] + '"',
    "percent-encoded": GOOD.replace("-", "%2d")[:101],
    "dashes apart": f"sj1-{ID[:-1]}-{SECRET}0",
    "a plus in a number": f"sj1-+{ID[1:]}-{SECRET}",
    "no secret": f"sj1-{ID}-" + " " * 64,
    "twice": GOOD + GOOD,
    "a surrogate": GOOD[:-1] + "\ud800",
    "a megabyte": "sj1-" + "a" * 1_000_000,
    "a megabyte that begins well": GOOD + "0" * 1_000_000,
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_is_not_exactly_a_token_is_refused(text: str) -> None:
    assert parse(text) is None


@given(st.text() | st.from_regex(r"\Asj1-[0-9a-fA-F\s]{30,34}-[0-9a-f\n]{62,66}\Z"))
def test_what_is_taken_is_spelled_again_as_it_was(text: str) -> None:
    token = parse(text)

    assert token is None or token.reveal() == text
    assert (token is not None) == bool(re.fullmatch(r"sj1-[0-9a-f]{32}-[0-9a-f]{64}", text, re.ASCII))


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=16, max_size=16))
def test_every_well_formed_token_is_taken(secret: bytes, id: bytes) -> None:
    token = parse(f"sj1-{id.hex()}-{secret.hex()}")

    assert token is not None
    assert (token.id, token.hash) == (id.hex(), hashlib.sha256(secret.hex().encode()).digest()[:16])
