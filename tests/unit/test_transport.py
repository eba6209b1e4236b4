"""What a browser does with a Secure cookie over plain http."""

from __future__ import annotations

import pytest

from sojourn.core.transport import drops_secure

KEPT = ["localhost", "localhost:8000", "LOCALHOST", "app.localhost:8000", "127.0.0.1", "127.1.2.3:80", "[::1]:8000"]
DROPPED = ["app.test", "192.168.1.5:8000", "localhost.evil.test", "notlocalhost", "127.0.0.1.nip.io", "[::2]", ""]


@pytest.mark.parametrize("host", KEPT)
def test_a_browser_keeps_a_secure_cookie_of_this_machine_without_tls(host: str) -> None:
    assert not drops_secure("http", host)


@pytest.mark.parametrize("host", DROPPED)
def test_a_browser_drops_a_secure_cookie_of_another_without_tls(host: str) -> None:
    assert drops_secure("http", host)
    assert drops_secure("ws", host)
    assert not drops_secure("https", host)
