"""The session's cookie: its attributes, what is refused, and that it alone is found in a Cookie header."""

from __future__ import annotations

from http.cookies import SimpleCookie
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sojourn import ConfigurationError, CookieOptions
from sojourn.core.cookie import clearings

TOKEN = f"sj1-{'0' * 32}-{'a' * 64}"
NAME = "__Host-session"


def attributes(header: str) -> tuple[str, str, dict[str, str | bool]]:
    """A Set-Cookie value as a browser takes it apart (RFC 6265bis, 5.6): name, value, attributes in lower case."""
    pair, *rest = header.split(";")
    name, _, value = pair.partition("=")
    found: dict[str, str | bool] = {}
    for part in rest:
        key, equals, text = part.strip().partition("=")
        assert key.lower() not in found, "an attribute came twice"
        found[key.lower()] = text if equals else True
    return name, value, found


# Set-Cookie


def test_by_default_the_cookie_is_as_closed_as_browsers_can_make_it() -> None:
    assert CookieOptions().set(TOKEN, None) == f"{NAME}={TOKEN}; Path=/; Secure; HttpOnly; SameSite=Lax"


def test_a_remembered_cookie_has_an_age() -> None:
    assert attributes(CookieOptions().set(TOKEN, 86400))[2]["max-age"] == "86400"


def test_a_cleared_cookie_has_the_same_attributes_and_no_time_left() -> None:
    options = CookieOptions(name="__Secure-s", domain="example.com", path="/app", same_site="strict", partitioned=True)
    name, value, kept = attributes(options.set(TOKEN, None))
    cleared_name, cleared_value, cleared = attributes(options.clear())

    assert (name, value) == ("__Secure-s", TOKEN)
    assert (cleared_name, cleared_value) == ("__Secure-s", "")
    assert cleared == {**kept, "max-age": "0"}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, {"path": "/", "secure": True, "httponly": True, "samesite": "Lax"}),
        ({"same_site": "strict"}, {"path": "/", "secure": True, "httponly": True, "samesite": "Strict"}),
        (
            {"name": "__Secure-s", "domain": "example.com", "path": "/app/"},
            {"path": "/app/", "domain": "example.com", "secure": True, "httponly": True, "samesite": "Lax"},
        ),
        ({"insecure_http": True}, {"path": "/", "httponly": True, "samesite": "Lax"}),
    ],
)
@pytest.mark.parametrize("max_age", [None, 0, 3600])
def test_the_standard_library_reads_what_is_written(
    options: dict[str, Any], expected: dict[str, Any], max_age: int | None
) -> None:
    cookie = CookieOptions(**options)
    found = SimpleCookie(cookie.set(TOKEN, max_age))[cookie.name]
    age = {} if max_age is None else {"max-age": str(max_age)}

    assert found.value == TOKEN
    assert {key: value for key, value in found.items() if value} == {**expected, **age}


def test_a_frames_cookie_is_partitioned() -> None:
    options = CookieOptions(same_site="none", partitioned=True)

    assert options.set(TOKEN, None).endswith("; Secure; HttpOnly; SameSite=None; Partitioned")


def test_insecure_http_is_without_secure_and_without_the_prefix() -> None:
    options = CookieOptions(insecure_http=True)

    assert options.name == "session"
    assert options.set(TOKEN, None) == f"session={TOKEN}; Path=/; HttpOnly; SameSite=Lax"
    assert CookieOptions(name="mine", insecure_http=True).name == "mine"


REFUSED: list[tuple[dict[str, Any], str]] = [
    *[
        ({"name": name}, "name=")
        for name in ("", "a b", "a=b", "a;b", "a,b", 'a"', "a\n", "naïve", "a" * 101, "a\0", "/")
    ],
    *[({"path": path}, "path=") for path in ("", "app", "/a;b", "/a b", "/a\n", "/ä", "/\x7f", "/\0")],
    *[
        ({"name": "s", "domain": domain}, "domain=")
        for domain in ("", ".example.com", "localhost", "Example.com", "a.b;c", "a b.c", "a.b\n", "a..b", "exämple.com")
    ],
    ({"same_site": "Lax"}, "same_site="),
    ({"same_site": None}, "same_site="),
    ({"same_site": "none"}, "needs partitioned=True"),
    ({"domain": "example.com"}, "__Host- cookie has path='/' and no domain"),
    ({"path": "/app"}, "__Host- cookie has path='/' and no domain"),
    ({"name": "__hOST-x", "path": "/app"}, "__Host- cookie has path='/' and no domain"),
    ({"name": "__Host-x", "insecure_http": True}, "insecure_http=True"),
    ({"name": "__secure-x", "insecure_http": True}, "insecure_http=True"),
    ({"name": "x", "partitioned": True, "insecure_http": True}, "insecure_http=True"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED, ids=[str(options) for options, _ in REFUSED])
def test_what_a_browser_would_refuse_is_refused_at_start(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        CookieOptions(**options)


texts = st.text() | st.sampled_from(
    [
        "__Host-session",
        "__Secure-s",
        "__HOST-x",
        "session",
        "/",
        "/app",
        "/;x",
        "example.com",
        ".a",
        "a; Domain=evil.com",
    ]
)


@given(
    name=texts,
    same_site=st.sampled_from(["lax", "strict", "none", "Lax", ""]),
    path=texts,
    domain=st.none() | texts,
    partitioned=st.booleans(),
    max_age=st.none() | st.integers(0, 10**9),
)
def test_every_configuration_is_refused_or_safe(max_age: int | None, **options: Any) -> None:
    """Whatever is asked for: Secure, HttpOnly, SameSite, and nothing that was slipped in."""
    try:
        cookie = CookieOptions(**options)
    except ConfigurationError:
        return
    for header in (cookie.set(TOKEN, max_age), cookie.clear()):
        name, value, found = attributes(header)

        assert (name, value) in ((options["name"], TOKEN), (options["name"], ""))
        assert found.pop("secure") is found.pop("httponly") is True
        assert found.pop("samesite") == options["same_site"].capitalize()
        assert found.pop("path") == options["path"]
        assert found.pop("domain", None) == options["domain"]
        assert found.pop("partitioned", False) is options["partitioned"]
        assert set(found) <= {"max-age"}
        assert header.isascii()
        assert header.isprintable()


# Cookie


@pytest.mark.parametrize(
    ("header", "values"),
    [
        (b"", []),
        (b"a=1", []),
        (b"__Host-session=x", ["x"]),
        (b"__Host-session=x; a=1", ["x"]),
        (b"a=1; __Host-session=x", ["x"]),
        (b"a=1; __Host-session=x; b=2", ["x"]),
        (b"a=1;__Host-session=x;b=2", ["x"]),
        (b"a=1;\t__Host-session=x\t; b=2", ["x"]),
        (b"  __Host-session=x  ", ["x"]),
        (b"__Host-session=", [""]),
        (b"__Host-session=a=b", ["a=b"]),
        (b'__Host-session="x"', ['"x"']),
        # Twice: the caller judges.
        (b"__Host-session=x; __Host-session=y", ["x", "y"]),
        (b"__Host-session=x; a=1; __Host-session=x", ["x", "x"]),
        # Names that only look like it.
        (b"x__Host-session=y", []),
        (b"__Host-session2=y", []),
        (b"__host-session=y", []),
        (b"%5F%5FHost-session=y", []),
        (b"..Host-session=y", []),
        (b"__Host-session =y", []),
        (b"=__Host-session=y", []),
        (b"__Host-session", []),
        (b"a=__Host-session=y", []),
        (b"a=__Host-session=y; __Host-session=x", ["x"]),
        (b"x__Host-session=y; __Host-session=x", ["x"]),
        (b"; __Host-session=x", ["x"]),
        (b"a=\xff; __Host-session=\xff", ["\xff"]),
    ],
)
def test_exactly_this_name_is_found(header: bytes, values: list[str]) -> None:
    assert CookieOptions().find(header) == values


HERE = NAME.encode()
pieces = st.sampled_from([HERE, HERE + b"=v", b"=", b";", b"; ", b" ", b"\t", b"x", b"\r", b"\x0b"])


@given(st.lists(pieces, max_size=12).map(b"".join))
@example(HERE + b"= v\r")
@example(b"a=1;" + HERE + b"= v\r")
def test_the_quick_look_finds_what_the_slow_one_finds(header: bytes) -> None:
    """Taken apart pair by pair, with blanks and tabs around each part left out, and nothing else."""
    pairs = [pair.strip(b" \t").partition(b"=") for pair in header.split(b";")]
    expected = [value.strip(b" \t").decode("latin-1") for name, equals, value in pairs if equals and name == HERE]

    assert CookieOptions().find(header) == expected


# Cookies of one name


@pytest.mark.parametrize(
    ("name", "host", "path", "places"),
    [
        ("__Host-session", "shop.example.com", "/a/b", ["Path=/"]),
        ("session", "localhost:8000", "/", ["Path=/"]),
        ("session", "192.0.2.1", "/a", ["Path=/", "Path=/a"]),
        (
            "session",
            "Shop.example.com:8080",
            "/a/b/c",
            [
                f"Path={folder}{domain}"
                for folder in ("/", "/a", "/a/b")
                for domain in ("", "; Domain=shop.example.com", "; Domain=example.com")
            ],
        ),
    ],
)
def test_every_cookie_of_the_name_that_the_request_can_name_is_cleared(
    name: str, host: str, path: str, places: list[str]
) -> None:
    cleared = [line.removeprefix(f"{name}=; Max-Age=0; ") for line in clearings(name, host, path)]

    # Each place twice: as it was, and partitioned.
    assert [line.partition("; Secure")[0].partition("; HttpOnly")[0] for line in cleared] == [
        place for place in places for _ in range(2)
    ]
    assert [line.endswith("; Partitioned") for line in cleared] == [False, True] * len(places)
