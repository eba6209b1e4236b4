"""How /admin is switched on: by a setting that is off by default, and loud."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sojourn import AsyncSessionManager, ConfigurationError
from sojourn.admin import census
from sojourn.admin.admin_pages import COOKIE, POLICY
from sojourn.admin.ends import MOST_COUNTED
from sojourn.admin.page import MOUNT
from sojourn.admin.search import AT_ONCE, LOOKED_AT_WITHIN, PAGE, WAIT
from sojourn.cli.serve_check import findings
from sojourn.service.application import Service
from sojourn.service.edge import Edge
from sojourn.service.keyring import Keyring
from sojourn.service.keys import changing_keys, make_key
from sojourn.service.settings import make_settings
from sojourn.stores.memory import AsyncMemoryStore
from sojourn.wire.api_key import KEY_SCOPES, KeyScope

from .office import NOW, Office, Visitor


def put_key(path: Path, name: str, *scopes: KeyScope) -> None:
    with changing_keys(path) as keys:
        keys.append(make_key(name, scopes, NOW, os.urandom)[0])


async def test_a_service_has_no_such_page_until_it_is_told_to(office: Office) -> None:
    keyring = Keyring(office.path)
    manager = AsyncSessionManager(AsyncMemoryStore())
    without = Service(AsyncMemoryStore(), manager, keyring, edge=Edge(keyring, None, ()))
    with_it = Service(AsyncMemoryStore(), manager, keyring, edge=Edge(keyring, None, ()), admin=office.pages)
    asked = [(await Visitor(app).get(path)).status for app in (without, with_it) for path in (MOUNT, "/admin/keys")]

    assert not make_settings({"store": "memory:", "keys": "k"}).admin
    assert asked == [404, 404, 303, 303]


def test_a_page_that_nobody_can_enter_or_a_back_end_could_is_told(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    settings = make_settings({"store": "sqlite:///s.db", "keys": str(path), "admin": True})
    put_key(path, "web", "sessions")
    [nobody] = findings(settings, None)
    put_key(path, "ada", "operator")
    nothing = [*findings(settings, None)]
    put_key(path, "both", "operator", "sessions")
    [broad] = findings(settings, None)

    assert "admin is on, and no key has the scope operator" in nobody.text
    assert nothing == []
    assert "keys 'both': of a person, with a back end's scopes beside it" in broad.text


def test_the_operators_realm_is_no_application_s() -> None:
    with pytest.raises(ConfigurationError, match="is that of the operators"):
        make_settings({"store": "memory:", "keys": "k", "realm": "_operators"})


def test_the_page_of_the_documentation_gives_the_bounds_that_hold() -> None:
    assert (POLICY.idle_timeout, POLICY.absolute_timeout) == (600, 4 * 3600)
    assert (COOKIE.name, COOKIE.same_site) == ("__Host-sojourn-admin", "strict")
    assert (census.PAGE, census.RESTS, census.LEAST_REST) == (500, 10, 10_000)
    assert (PAGE, WAIT, LOOKED_AT_WITHIN, AT_ONCE, MOST_COUNTED) == (50, 0.08, 60.0, 4, 1000)
    page = " ".join((Path(__file__).parents[2] / "docs" / "admin.md").read_text("utf-8").split())

    assert "operator" in KEY_SCOPES
    for told in (
        "ends after 10 minutes without a request, and after 4 hours",
        "`__Host-sojourn-admin`: Secure, HttpOnly, `SameSite=Strict`",
        "After ten wrong ones in a minute",
        "up to 50 that are looked for",
        "500 at a time",
        "counted up to 1,000",
        "at most once in ten seconds, and with a rest of ten times",
    ):
        assert told in page, told
