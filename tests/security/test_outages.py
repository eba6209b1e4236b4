"""A store that fails or lies is an error, never an anonymous or a valid session (R26, R30; ASVS 16.5.2, 16.5.3)."""

from __future__ import annotations

import asyncio
import pickle
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from sojourn import ConfigurationError, StoreUnavailable
from sojourn.stores.sqlite import AsyncSQLiteStore, file
from tests.security.conftest import MakeSite
from tests.security.site import Answer, Site, cookie, log_in, user_of

REQUESTS = [
    ("GET", "/me"),
    ("GET", "/private"),
    ("GET", "/poll"),
    ("POST", "/put"),
    ("GET", "/session/"),
    ("POST", "/session/start"),
    ("PATCH", "/session/"),
    ("GET", "/session/sessions"),
    ("DELETE", "/session/sessions"),
]


@pytest.fixture
def kind() -> str:
    return "sqlite"


def is_unavailable(answer: Answer) -> bool:
    if answer.status_code != 503:
        return False
    problem = answer.json()
    assert problem["type"] == "urn:sojourn:problem:store-unavailable"
    assert int(answer.headers["retry-after"]) > 0
    assert "set-cookie" not in answer.headers
    # The driver's words, and the file's name, are for the log.
    assert "sqlite" not in answer.text.lower()
    return True


async def closed(make_site: MakeSite) -> tuple[Path, str]:
    """The file of a site that served a log-in and stopped, and the token."""
    site = make_site()
    token = await log_in(site.browser(), cart=["book"])
    await site.store.close()
    assert site.path is not None
    return site.path, token


@pytest.mark.parametrize("damage", ["garbage", "removed", "emptied", "a folder", "another database"])
async def test_a_store_that_is_gone_or_garbage_is_a_503_on_every_request(make_site: MakeSite, damage: str) -> None:
    path, token = await closed(make_site)
    site = make_site(path=path)
    for stale in path.parent.glob(f"{path.name}-*"):
        stale.unlink()
    if damage == "garbage":
        path.write_bytes(b"\xa5garbage" * 4096)
    elif damage == "emptied":
        path.write_bytes(b"")
    else:
        path.unlink()
    if damage == "a folder":
        path.mkdir()
    elif damage == "another database":
        with closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE something (else_ TEXT)")

    for method, where in REQUESTS:
        assert is_unavailable(await site.browser().request(method, where, headers=cookie(token), json={}))
    # A page without a session still works.
    assert (await site.browser().get("/public")).status_code == 200


@pytest.mark.parametrize("damage", ["garbage", "removed"])
async def test_a_store_that_goes_while_it_is_open_is_right_or_a_503_but_never_anonymous(
    make_site: MakeSite, damage: str
) -> None:
    site = make_site()
    browser = site.browser()
    token = await log_in(browser)
    assert site.path is not None
    for name in (site.path, site.path.with_name(f"{site.path.name}-wal")):
        if damage == "removed":
            name.unlink()
        else:
            size = name.stat().st_size
            with name.open("r+b") as opened:
                opened.write(b"\xa5" * size)

    for _ in range(3):
        answer = await site.browser().get("/me", headers=cookie(token))
        assert is_unavailable(answer) or answer.json()["user"] == "ada"
        answer = await browser.post("/put", json={"n": 1})
        assert is_unavailable(answer) or answer.status_code == 200


HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA locking_mode = EXCLUSIVE")
connection.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


async def test_a_file_that_another_process_locks_is_a_503_until_it_lets_go(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "WRITE_TIMEOUT", 0.05)
    path, token = await closed(make_site)
    site = make_site(path=path)

    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        for method, where in REQUESTS:
            assert is_unavailable(await site.browser().request(method, where, headers=cookie(token), json={}))
        holder.communicate()

    assert await user_of(site, token) == "ada"


async def test_a_write_lock_of_another_process_stops_writes_with_a_503_and_no_read(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(file, "WRITE_TIMEOUT", 0.05)
    path, token = await closed(make_site)
    site = make_site(path=path)

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert await user_of(site, token) == "ada"
        caplog.clear()
        assert is_unavailable(await site.browser().post("/put", headers=cookie(token), json={"n": 1}))
        assert [record.levelname for record in caplog.records if record.name == "sojourn"] == ["WARNING"]
        refused = await site.browser().post("/session/logout", headers=cookie(token))
        assert is_unavailable(refused)
        assert is_unavailable(await site.browser().post("/login", json={"user": "ada"}))

    assert (await site.browser().post("/session/logout", headers=cookie(token))).status_code == 200
    assert await user_of(site, token) is None


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return Path.touch, (self.path,)


WRONG = {
    "nothing": "",
    "not JSON": "not JSON",
    "cut short": '{"cart":["boo',
    "a list": "[1]",
    "null": "null",
    "a number": "7",
    "two documents": "{}{}",
    "PHP's serialize": 'a:1:{s:4:"user";s:5:"admin";}',
    "a value out of range": '{"cart":1e999}',
    "too deep": '{"cart":' + "[" * 100_000 + "]" * 100_000 + "}",
    "keys without quotes": "{cart:[]}",
    "NaN": '{"cart":NaN}',
}


def damage(site: Site, column: str, text: str, id: str) -> None:
    assert site.path is not None
    with closing(sqlite3.connect(site.path)) as other, other:
        changed = other.execute(f"UPDATE session SET {column} = ? WHERE id = ?", (text, id)).rowcount
    assert changed == 1


async def still_serves_others(site: Site) -> None:
    browser = site.browser()
    await asyncio.wait_for(log_in(browser, "bob"), 5)
    await asyncio.wait_for(browser.post("/put", json={"n": 1}), 5)
    assert (await browser.get("/me")).json()["data"] == {"n": 1}


@pytest.mark.parametrize("wrong", ["pickle", *WRONG])
async def test_data_that_we_did_not_write_is_an_error_and_is_never_run_or_guessed_at(
    site: Site, wrong: str, tmp_path: Path
) -> None:
    marker = tmp_path / "ran"
    token = await log_in(site.browser(), cart=["book"])
    text = pickle.dumps(Bomb(marker), protocol=0).decode("latin-1") if wrong == "pickle" else WRONG[wrong]
    damage(site, "data", text, token[4:36])

    for method, path in (("GET", "/me"), ("GET", "/session/"), ("GET", "/access/getitem"), ("POST", "/slow/append")):
        site.gate.go.set()
        answer = await site.browser().request(method, path, headers=cookie(token), json={})
        assert is_unavailable(answer), (path, answer.text)
    assert is_unavailable(await site.browser().post("/put", headers=cookie(token), json={"cart": ["x"]}))

    assert not marker.exists()
    await still_serves_others(site)
    # It can be ended all the same, and the browser goes on.
    assert (await site.browser().post("/session/logout", headers=cookie(token))).status_code == 200
    assert await user_of(site, token) is None


@pytest.mark.parametrize("wrong", ["pickle", "a record without secrets", "a secret that is no base64", *WRONG])
async def test_a_record_that_we_did_not_write_is_an_error_too_and_nobody_else_notices(
    site: Site, wrong: str, tmp_path: Path
) -> None:
    marker = tmp_path / "ran"
    token = await log_in(site.browser(), cart=["book"])
    special = {
        "pickle": pickle.dumps(Bomb(marker), protocol=0).decode("latin-1"),
        "a record without secrets": '{"id":"x","user_id":"admin","created_at":0,"seen_at":0}',
        "a secret that is no base64": '{"id":"x","secrets":{"current":"*","rotated_at":0},"created_at":0,"seen_at":0,'
        '"idle_timeout":9,"absolute_expires_at":9}',
    }
    damage(site, "record", special.get(wrong) or WRONG[wrong], token[4:36])

    for method, path in REQUESTS:
        answer = await asyncio.wait_for(site.browser().request(method, path, headers=cookie(token), json={}), 5)
        assert is_unavailable(answer), (path, answer.text)
    # It spoils nothing that is asked of the user's others, and can be ended.
    assert await asyncio.wait_for(site.manager.list("ada"), 5) == []
    assert await asyncio.wait_for(site.manager.revoke(token[4:36]), 5)
    assert await asyncio.wait_for(site.manager.revoke_all("ada"), 5) == 0

    assert not marker.exists()
    await still_serves_others(site)


async def test_a_stores_own_kind_of_unavailable_is_a_503_too(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoRoute(StoreUnavailable):
        pass

    async def fail(id: str) -> None:
        raise NoRoute("no route to db.internal")

    monkeypatch.setattr(site.store, "get", fail)

    assert is_unavailable(await site.browser().get("/me", headers=cookie(f"sj1-{'a' * 32}-{'b' * 64}")))


async def test_a_file_that_is_no_database_is_refused_at_start(tmp_path: Path) -> None:
    path = tmp_path / "sessions.sqlite3"
    path.write_bytes(b"\xa5garbage" * 4096)

    with pytest.raises(ConfigurationError, match="cannot be"):
        AsyncSQLiteStore(path)
    with pytest.raises(ConfigurationError, match="does not exist"):
        AsyncSQLiteStore(tmp_path / "no" / "sessions.sqlite3")


async def test_a_log_in_that_could_not_be_written_logs_nobody_in(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "WRITE_TIMEOUT", 0.05)
    path, token = await closed(make_site)
    site = make_site(path=path)

    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert is_unavailable(await site.browser().post("/login", headers=cookie(token), json={"user": "eve"}))

    assert await user_of(site, token) == "ada"
    assert await site.rows() == 1
