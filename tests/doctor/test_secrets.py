"""No cookie's value and no password gets into what the doctor says, wherever an application puts it."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from sojourn.cli.doctor import doctor
from sojourn.cli.exit import Exit

from .cart import Cart, Handler, serve_cart

PASSWORD = "the-password-itself"
CHUNKED = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


def echoed(handler: Handler) -> dict[str, str]:
    """The token, where a report takes its words from."""
    token = handler.token or "nobody-is-here"
    names = ("Vary", "Location", "Server", "Access-Control-Allow-Methods", "Content-Language")
    return dict.fromkeys(names, token) | {"Set-Cookie": f"other={token}; Domain={token}; SameSite={token}"}


def garbled(handler: Handler) -> bool:
    """From some time on: a status line, a version, a length and a header that hold the token."""
    lines = ["HTTP/{} 200 OK", "{}", "HTTP/1.1 {} OK", f"{CHUNKED}{{}}"]
    if handler.cart.answers < 25 or not handler.token:
        return False
    # Each check breaks off at the first of them: with another one each time.
    handler.cart.spoilt += 1
    handler.wfile.write(lines[handler.cart.spoilt % len(lines)].replace("{}", handler.token).encode() + b"\r\n\r\n")
    handler.close_connection = True
    return True


def said(cart: Cart, report: Path, *more: str) -> str:
    words = ["--app", cart.url, "--login", f"POST /login user=ada&password={PASSWORD}", "--report", str(report)]
    cart.answers = 0
    words += ["--header", f"X-Key: {PASSWORD}", "--write", "PUT /tea/{n}", "--write", "PUT /cup/{n}", *more]
    done = CliRunner().invoke(doctor, words, standalone_mode=False)
    assert done.exception is None, done.output
    assert done.return_value == (Exit.UNAVAILABLE if cart.spoilt else Exit.DONE)
    return done.output + report.read_text("utf-8")


def test_no_value_of_a_cookie_is_in_any_output(tmp_path: Path) -> None:
    with serve_cart() as cart:
        cart.headers = echoed
        texts = [said(cart, tmp_path / "text.html"), said(cart, tmp_path / "json.html", "--json")]
        cart.spoil = garbled
        texts += [said(cart, tmp_path / "spoilt.html"), said(cart, tmp_path / "spoilt-json.html", "--json")]

    assert len(cart.tokens) > 40
    assert "broken off" in texts[2]
    assert json.loads(texts[3].partition("<!doctype")[0])["findings"]
    for text in texts:
        assert [token for token in cart.tokens if token in text] == []
        assert PASSWORD not in text
