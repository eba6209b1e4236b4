"""What a browser does with a Secure cookie over plain http."""

from __future__ import annotations

import logging

import pytest

from sojourn.core.transport import Transport

KEPT = ["localhost", "localhost:8000", "LOCALHOST", "app.localhost:8000", "127.0.0.1", "127.1.2.3:80", "[::1]:8000"]
DROPPED = ["app.test", "192.168.1.5:8000", "localhost.evil.test", "notlocalhost", "127.0.0.1.nip.io", "[::2]", ""]


def warns(scheme: str, host: str) -> bool:
    """Whether it goes to the log that a cookie is lost. Once is enough."""
    transport, told = Transport(), Told()
    logger = logging.getLogger("sojourn")
    logger.addHandler(told)
    try:
        transport.warn_of_plain_http(scheme, host)
        transport.warn_of_plain_http(scheme, host)
    finally:
        logger.removeHandler(told)
    assert len(told.records) <= 1
    return bool(told.records)


class Told(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


def test_a_script_s_proof_is_not_looked_at_where_no_url_is_known_for_it_to_name() -> None:
    shown = {"authorization": "DPoP sj1-x", "dpop": "a.b.c"}

    assert Transport(script_readable_tokens=True).presented(shown.get, True, "GET", "/") is None


@pytest.mark.parametrize("host", KEPT)
def test_a_browser_keeps_a_secure_cookie_of_this_machine_without_tls(host: str) -> None:
    assert not warns("http", host)


@pytest.mark.parametrize("host", DROPPED)
def test_a_browser_drops_a_secure_cookie_of_another_without_tls(host: str) -> None:
    assert warns("http", host)
    assert warns("ws", host)
    assert not warns("https", host)
