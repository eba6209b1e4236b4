"""Record: when a session is over, and why."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn import Client, ConfigurationError, EndReason
from sojourn.testing.records import HOUR, MINUTE, NOW, make_record

IDLE_END, ABSOLUTE_END = NOW + 30 * MINUTE, NOW + 12 * HOUR


@pytest.mark.parametrize(
    ("seen_at", "at", "reason"),
    [
        (NOW, NOW, None),
        (NOW, IDLE_END - 1, None),
        (NOW, IDLE_END, "idle_timeout"),
        (NOW, ABSOLUTE_END + HOUR, "idle_timeout"),
        (ABSOLUTE_END - 1, ABSOLUTE_END - 1, None),
        (ABSOLUTE_END - 1, ABSOLUTE_END, "absolute_timeout"),
        (ABSOLUTE_END - 30 * MINUTE, ABSOLUTE_END, "absolute_timeout"),
    ],
)
def test_a_session_is_over_at_the_nearer_of_its_two_limits(seen_at: int, at: int, reason: EndReason | None) -> None:
    record = make_record(seen_at=seen_at)

    assert record.end_reason_at(at) == reason
    assert record.expires_at == min(seen_at + 30 * MINUTE, ABSOLUTE_END)


def test_an_ended_session_stays_over_for_the_reason_that_it_had() -> None:
    record = make_record(ended_at=NOW + 5, end_reason="revoked")

    assert record.expires_at == NOW + 5
    assert record.end_reason_at(NOW) == "revoked"
    assert record.end_reason_at(ABSOLUTE_END + HOUR) == "revoked"


@given(st.integers(0, 24 * HOUR), st.integers(1000, 24 * HOUR), st.integers(1000, 24 * HOUR), st.integers(0, 72 * HOUR))
def test_a_session_is_live_exactly_until_it_expires(seen: int, idle: int, absolute: int, at: int) -> None:
    record = make_record(seen_at=NOW + seen, idle_timeout=idle, absolute_expires_at=NOW + absolute)

    assert (record.end_reason_at(NOW + at) is None) is (NOW + at < record.expires_at)


# What is kept of a client


@pytest.mark.parametrize(
    ("ip", "network"),
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1::/48"),
        ("::1", "::/48"),
        ("not an address", ""),
        ("", ""),
    ],
)
def test_a_network_is_kept_of_an_address_and_nothing_of_what_is_none(ip: str, network: str) -> None:
    client = Client(ip, "Firefox")

    assert client.kept("all") is client
    assert client.kept("network") == Client(network)
    assert client.kept("none") == Client()


def test_nothing_is_kept_of_nothing() -> None:
    assert Client().kept("network") == Client().kept("none") == Client()


def test_of_a_long_user_agent_no_more_is_kept_than_its_first_256_characters() -> None:
    assert Client.of(None, "x" * 300) == Client("", "x" * 256)


@pytest.mark.parametrize(("value", "told"), [(b"192.0.2.1", "of type bytes"), ("\ud800", "lone surrogate")])
def test_a_client_is_described_in_unicode_text(value: Any, told: str) -> None:
    for name in ("ip", "user_agent"):
        with pytest.raises(ConfigurationError, match=rf"Client\({name}=.*{told}"):
            Client(**{name: value})


def test_what_a_browser_says_in_other_letters_is_text_too() -> None:
    assert Client("192.0.2.1", "Zoë's browser").user_agent == "Zoë's browser"
