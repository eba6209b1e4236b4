"""Which hosts only this machine reaches."""

from __future__ import annotations

import pytest

from sojourn.core.loopback import is_loopback


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_only_this_machine_reaches_these(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "0.0.0.0", "::", "10.0.0.1", "example.com", "a.localhost", "localhost.example"])
def test_others_reach_these(host: str) -> None:
    assert not is_loopback(host)
