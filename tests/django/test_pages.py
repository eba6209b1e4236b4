"""The page of devices, and the browser's endpoints."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_out
from django.test import Client, override_settings
from msgspec.structs import replace

from sojourn.core.store import Create
from sojourn.django import manager

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


def log_in(user: User, **headers: Any) -> Client:
    client = Client(**headers)
    client.post("/login", {"username": user.get_username(), "password": "sesame"})
    return client


def send(client: Client, method: str, path: str, body: Any = None, **headers: Any) -> Any:
    sent = "" if body is None else json.dumps(body)
    return client.generic(method, path, sent, content_type="application/json", **headers)


@pytest.fixture
def two(layer: str, ada: User) -> tuple[Client, Client]:
    """Ada in two browsers; the first is Firefox."""
    return log_in(ada, HTTP_USER_AGENT=FIREFOX), log_in(ada, HTTP_USER_AGENT="<b>curl</b>")


def test_the_page_lists_this_device_first(two: tuple[Client, Client]) -> None:
    here, _ = two
    page = here.get("/session/devices/")
    text = page.content.decode()

    assert page["Cache-Control"].startswith("max-age=0, no-cache, no-store") or page["Cache-Control"] == "no-store"
    assert text.index("This device") < text.index("Last seen")
    assert "Firefox on Linux" in text
    assert "<b>" not in text
    assert "127.0.0.1" in text


def test_the_page_says_which_sessions_are_bound_to_a_key(two: tuple[Client, Client]) -> None:
    store = manager()._store
    records = [record for record in store.scan("", 100) if record.ended_at is None]
    unbound = two[0].get("/session/devices/").content.decode()
    by_browser = replace(records[0], id="0" * 32, key_thumbprint="A" * 43)
    by_device = replace(records[0], id="1" * 32, secrets=replace(records[0].secrets, key="ES256 x y"))
    for bound in (by_browser, by_device):
        store.create(Create(record=bound, now=bound.created_at, began_at=bound.created_at))
    text = two[0].get("/session/devices/").content.decode()

    assert "Kept by a key of" not in unbound
    assert (text.count("the browser</dd>"), text.count("the device</dd>")) == (1, 1)


@pytest.mark.parametrize("language", ["en", "de", "ar"])
def test_the_page_says_which_language_it_speaks(two: tuple[Client, Client], language: str) -> None:
    with override_settings(LANGUAGE_CODE=language, USE_I18N=True):
        text = two[0].get("/session/devices/").content.decode()

    # Nobody has translated it, so that its dates are English too.
    assert '<html lang="en" dir="ltr">' in text
    assert "Where you are signed in" in text
    assert "just now" in text


def test_a_translation_that_a_project_brings_is_spoken(two: tuple[Client, Client], tmp_path: Path) -> None:
    folder = tmp_path / "ar" / "LC_MESSAGES"
    folder.mkdir(parents=True)
    words = {"": "Content-Type: text/plain; charset=UTF-8\n", "Where you are signed in": "\u0623\u064a\u0646"}
    folder.joinpath("django.mo").write_bytes(catalogue(words))
    with override_settings(LANGUAGE_CODE="ar", USE_I18N=True, LOCALE_PATHS=[str(tmp_path)]):
        text = two[0].get("/session/devices/").content.decode()

    assert '<html lang="ar" dir="rtl">' in text
    assert words["Where you are signed in"] in text


def catalogue(words: dict[str, str]) -> bytes:
    """A compiled catalogue, as GNU gettext's manual describes the format."""
    pairs = sorted((key.encode(), value.encode()) for key, value in words.items())
    count, at = len(pairs), 28 + 16 * len(pairs)
    tables, texts = [b"", b""], b""
    for column in (0, 1):
        for pair in pairs:
            tables[column] += struct.pack("<II", len(pair[column]), at + len(texts))
            texts += pair[column] + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, count, 28, 28 + 8 * count, 0, 0)
    return head + tables[0] + tables[1] + texts


def test_a_device_is_signed_out(two: tuple[Client, Client], ada: User) -> None:
    here, there = two
    other = next(found.id for found in manager().list(str(ada.pk)) if found.user_agent != FIREFOX)
    answer = here.post("/session/devices/", {"end": other}, follow=True)

    assert "1 device is signed out." in answer.content.decode()
    assert there.get("/show").json()["user"] is None
    assert here.get("/show").json()["user"] == str(ada.pk)


def test_all_others_are_signed_out(two: tuple[Client, Client], ada: User) -> None:
    here, there = two
    log_in(ada)
    assert (
        "2 devices are signed out." in here.post("/session/devices/", {"end": "others"}, follow=True).content.decode()
    )

    assert there.get("/show").json()["user"] is None


def test_to_sign_out_the_device_at_hand_is_a_log_out(two: tuple[Client, Client], ada: User) -> None:
    here, there = two
    answer = here.post("/session/devices/", {"end": here.get("/show").json()["id"]})

    assert answer.status_code == 302
    assert here.get("/session/devices/")["Location"] == "/login?next=/session/devices/"
    assert there.get("/show").json()["user"] == str(ada.pk)


def test_nobody_signs_another_user_s_device_out(two: tuple[Client, Client], ada: User) -> None:
    bob = User.objects.create_user("bob", password="sesame")
    client = log_in(bob)
    (theirs, *_) = manager().list(str(ada.pk))
    answer = client.post("/session/devices/", {"end": theirs.id}, follow=True)
    bob.delete()

    assert "It was signed out already." in answer.content.decode()
    assert len(manager().list(str(ada.pk))) == 2


def test_the_page_needs_django_s_csrf_token(layer: str, ada: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(ada)

    assert client.post("/session/devices/", {"end": "others"}).status_code == 403


def test_the_page_needs_a_log_in(layer: str) -> None:
    assert Client().get("/session/devices/")["Location"] == "/login?next=/session/devices/"


# The endpoints


def test_the_browser_starts_reads_and_writes_a_session(layer: str) -> None:
    client = Client(enforce_csrf_checks=True)
    assert client.get("/session/").json()["status"] == "none"
    assert send(client, "POST", "/session/start", {"data": {"theme": "dark"}}).json()["data"] == {"theme": "dark"}
    assert send(client, "PATCH", "/session/", {"set": {"theme": "light"}}).json()["data"] == {"theme": "light"}
    assert client.get("/session/").json()["data"] == {"theme": "light"}
    assert client.get("/show").json()["data"] == {"theme": "light"}
    assert send(client, "PATCH", "/session/", {"set": {"cart": []}}).status_code == 403


def test_another_site_is_refused(layer: str) -> None:
    answer = send(Client(), "POST", "/session/start", {}, HTTP_SEC_FETCH_SITE="cross-site")

    assert (answer.status_code, answer.json()["type"]) == (403, "urn:sojourn:problem:cross-origin")


def test_a_log_out_in_the_browser_is_told_as_django_s_is(layer: str, ada: User) -> None:
    client, left = log_in(ada), []

    def note(user: Any, **_: Any) -> None:
        left.append(user)

    user_logged_out.connect(note)
    answer = send(client, "POST", "/session/logout")
    user_logged_out.disconnect(note)

    assert answer.json()["status"] == "ended"
    assert left == [ada]
    assert client.get("/show").json()["user"] is None
    assert manager().list(str(ada.pk)) == []


def test_devices_are_listed_and_ended_through_the_endpoints(two: tuple[Client, Client]) -> None:
    here, there = two
    listed = here.get("/session/sessions").json()["sessions"]

    assert sorted(device["current"] for device in listed) == [False, True]
    assert send(here, "DELETE", "/session/sessions").json() == {"ended": 1}
    assert there.get("/session/").json()["end_reason"] == "revoked"


def test_the_client_is_served(layer: str) -> None:
    answer = Client().get("/session/client.js")

    assert answer["Content-Type"].startswith("text/javascript")
    assert "createSessionClient" in answer.content.decode()


def test_a_client_that_tells_nothing_is_an_unknown_device(layer: str, ada: User) -> None:
    client = log_in(ada, HTTP_USER_AGENT="")
    assert client.get("/session/sessions").json()["sessions"][0]["device"] is None
    assert "Unknown device" in client.get("/session/devices/").content.decode()
