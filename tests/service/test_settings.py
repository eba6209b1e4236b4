"""Settings: the file, what is laid over it, and errors that name the key, what was expected, and the mend."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from sojourn.core.errors import ConfigurationError
from sojourn.core.policy import Lifetime, Policy
from sojourn.service.settings import EXAMPLE, ServiceSettings, make_settings, place_of, read_file

NEEDED = 'store = "memory:"\nkeys = "keys.json"\n'


def settings(text: str) -> ServiceSettings:
    return make_settings(tomllib.loads(text))


def test_little_is_needed() -> None:
    made = settings(NEEDED)

    assert (made.host, made.port, made.uds, made.workers) == ("127.0.0.1", 8100, None, 1)
    assert made.policy == Policy()
    assert made.browser is None
    assert (made.log.level, made.log.format) == ("info", "text")


def test_the_example_is_one() -> None:
    made = settings(EXAMPLE)

    assert made.policy.remember == Lifetime(idle_timeout=14 * 86400, absolute_timeout=30 * 86400)
    assert made.cookie.domain == "example.com"
    assert made.browser is not None
    assert made.browser.readable == ("theme", "cart")


def test_the_example_has_every_key() -> None:
    example = tomllib.loads(EXAMPLE)

    assert list(example) == list(ServiceSettings.__struct_fields__)
    for name in ("policy", "cookie"):
        assert set(example[name]) == set(getattr(settings(NEEDED), name).__dataclass_fields__)
    made = settings(EXAMPLE)
    assert set(example["browser"]) == set(made.browser.__struct_fields__ if made.browser else ())
    assert set(example["log"]) == set(made.log.__struct_fields__)


def test_false_is_how_a_policy_goes_without() -> None:
    policy = settings(f"{NEEDED}[policy]\nremember = false\nrotate_interval = false\n").policy

    assert (policy.remember, policy.rotate_interval) == (None, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('keys = "k"', "Where are the sessions? Give --store URL, or SOJOURN_STORE, or store = "),
        ('store = "memory:"', "Which keys? Give --keys FILE, or SOJOURN_KEYS, or keys = "),
        ('store = 1\nkeys = "k"', "store: Expected `str`, got `int`. Write store = "),
        ('store = "x"\nkeys = "k"', "'x' is no URL. For a file of that name write sqlite:///x"),
        (f'{NEEDED}port = "80"', "port: Expected `int`, got `str`. Write port = 8100"),
        (f"{NEEDED}port = 70000", "port: Expected `int` <= 65535. Write port = 8100"),
        (f"{NEEDED}workers = 0", "workers: Expected `int` >= 1. Write workers = 2"),
        (f"{NEEDED}prot = 80", "prot: no such key. Did you mean port?"),
        (f"{NEEDED}zzz = 80", "zzz: no such key. There are store, keys, host,"),
        (f'{NEEDED}policy = "strict"', "policy: a table was expected. Write [policy] and its keys below it"),
        (
            f'{NEEDED}[policy]\nidle_timeout = "30m"',
            "policy.idle_timeout: Expected `float`, got `str`. Write idle_timeout = 1800 below [policy]",
        ),
        (f"{NEEDED}[policy]\nidle_timeot = 1", "policy.idle_timeot: no such key. Did you mean idle_timeout?"),
        (f"{NEEDED}[policy]\nidle_timeout = 0", "Policy(idle_timeout=0.0): give a number from 1 to"),
        (
            f"{NEEDED}[policy]\nremember = true",
            "policy.remember: a table was expected. Write remember = { idle_timeout",
        ),
        (
            f"{NEEDED}[policy]\nremember = {{ idle_timeout = 5 }}",
            "policy.remember.absolute_timeout is missing. Write absolute_timeout = 2592000 below [policy.remember]",
        ),
        (
            f"{NEEDED}[policy]\nremember = {{ idle = 5 }}",
            "policy.remember.idle: no such key. There are idle_timeout, ",
        ),
        (f'{NEEDED}[cookie]\nsame_site = "Lax"', "cookie.same_site: Invalid enum value 'Lax'. Write same_site = "),
        (f'{NEEDED}[cookie]\nname = "a b"', "CookieOptions(name='a b'): letters, digits and"),
        (f'{NEEDED}[browser]\nreadable = "theme"', "browser.readable: Expected `array`, got `str`. Write readable = ["),
        (f'{NEEDED}[browser]\nmount = "session"', "browser.mount: Expected `str` matching regex"),
        (f"{NEEDED}[browser]\nreadable = [1]", "browser.readable[0]: Expected `str`, got `int`. Write readable"),
        (f'{NEEDED}[log]\nlevel = "loud"', "log.level: Invalid enum value 'loud'. Write level = "),
        (f"{NEEDED}[log]\nlevl = 1", "log.levl: no such key. Did you mean level?"),
        (f"{NEEDED}log = 1", "log: Expected `object`, got `int`. Write [log] and its keys below it"),
    ],
)
def test_a_mistake_is_told_with_its_mend(text: str, told: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings(text)

    assert str(caught.value).startswith(told)


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "sojourn.toml"
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        read_file(path)
    path.write_text("port 8100")
    with pytest.raises(ConfigurationError, match=r"is no TOML: .*line 1"):
        read_file(path)
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigurationError, match="is not UTF-8"):
        read_file(path)


def test_a_password_in_a_url_is_not_repeated() -> None:
    with pytest.raises(ConfigurationError) as caught:
        settings('store = "mysql://app:hunter2@db/app"\nkeys = "k"')
    assert "hunter2" not in str(caught.value)


def test_a_policy_may_bind_sessions() -> None:
    assert settings(f'{NEEDED}[policy]\nbinding = "prefer"\n').policy.binding == "prefer"
    with pytest.raises(ConfigurationError, match="needs public_origin"):
        settings(f'{NEEDED}[policy]\nbinding = "prefer"\n[browser]\n')
    with pytest.raises(ConfigurationError, match="bind_cookies = true"):
        settings(f'{NEEDED}[policy]\nbinding = "prefer"\n[browser]\npublic_origin = "https://a.example"\n')
    by_origin = f'{NEEDED}[policy]\nbinding = "prefer"\n[browser]\nbind_cookies = true\npublic_origin'
    assert place_of(settings(f'{by_origin} = "https://a.example"\n')) is not None
    with pytest.raises(ConfigurationError, match="on https"):
        settings(f'{by_origin} = "http://localhost:8000"\nscript_readable_tokens = true\n')
    with pytest.raises(ConfigurationError, match=r"browser\.bind_cookies"):
        settings(f"{NEEDED}[browser]\nbind_cookies = true\n")
    with pytest.raises(ConfigurationError, match="in vain"):
        settings(f'{NEEDED}[browser]\npublic_origin = "https://a.example"\n')
