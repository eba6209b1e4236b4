"""The audit trail in a file: what is in it, that its chain goes on, and what is noticed of it."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sojourn import Client, SessionManager
from sojourn.audit import AuditFile
from sojourn.audit.audit_file import chain_path, read_chain
from sojourn.audit.chain import START, Link, chained, parse_line
from sojourn.audit.entry import entry_of, made_entry
from sojourn.audit.newest import newest
from sojourn.audit.verification import EntryPlace, Flaw, Verification
from sojourn.core import events
from sojourn.core.errors import ConfigurationError
from sojourn.stores.memory import MemoryStore

NOW = 1_800_000_000_000
TOKEN = f"sj1-{'0' * 32}-{'a' * 64}"


def entries(path: Path) -> list[dict[str, Any]]:
    """What is in a trail."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def flaws(*files: Path, kept: bool = True) -> list[Flaw]:
    """What is wrong with the trail in these files."""
    verification, end = Verification(), EntryPlace("", 0)
    for file in files:
        for number, line in enumerate(file.read_bytes().splitlines(keepends=True), 1):
            end = EntryPlace(file.name, number)
            verification.look(end, line)
    with chain_path(files[-1]).open("rb") as chain:
        return verification.finish(read_chain(chain.fileno()) if kept else None, end)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the trail is."""
    return tmp_path / "audit.jsonl"


def test_a_manager_writes_who_did_what_and_no_token(path: Path) -> None:
    manager = SessionManager(MemoryStore(), on_event=AuditFile(path), clock=lambda: NOW)
    session = manager.anonymous(Client("192.0.2.1", "Firefox"))
    session.login("ada", level="aal2", methods=("pwd", "otp"))
    token = manager.commit(session).token
    assert token is not None
    assert session.id is not None
    manager.open(token.reveal()[:-1] + "?")
    manager.revoke(session.id, by="cli:root", address="198.51.100.7")

    first, second = entries(path)
    at = {"time": "2027-01-15T08:00:00.000Z", "session_id": session.id, "user_id": "ada"}
    done = {"by": "user", "address": "192.0.2.1", "level": "aal2", "methods": ["pwd", "otp"]}
    assert first == at | done | {"what": "logged_in", "n": 1, "prev": "0" * 64, "hash": first["hash"]}
    ended = {"what": "ended", "by": "cli:root", "address": "198.51.100.7", "reason": "revoked"}
    assert second == at | ended | {"n": 2, "prev": first["hash"], "hash": second["hash"]}
    assert token.reveal()[37:] not in path.read_text()
    assert oct(path.stat().st_mode & 0o777) == oct(chain_path(path).stat().st_mode & 0o777) == "0o600"
    assert flaws(path) == []


@pytest.mark.parametrize("name", [name for name in events.__all__ if name != "Event"])
def test_of_each_event_it_is_known_whether_it_is_told(name: str) -> None:
    more: dict[str, dict[str, Any]] = {
        "CleanedUp": {"deleted": 1},
        "Ended": {"reason": "logout"},
        "Merged": {"keys": ("a",)},
        "RefreshSkipped": {"cause": "quota_exceeded"},
        "RevokedAll": {"ended": 2},
        "UnknownToken": {"cause": "unknown"},
        "UnprovedToken": {"flaw": "proof-required"},
    }
    made = getattr(events, name)(at=NOW, id="0" * 32, user_id="ada", **more.get(name, {}))
    untold = {"Merged", "Rotated", "RefreshSkipped", "SessionCreated", "UnknownToken"}

    assert (entry_of(made) is None) == (name in untold)


def test_a_session_that_begins_with_a_key_is_told_of_and_who_asked_through_which_key() -> None:
    made = entry_of(events.SessionCreated(at=NOW, id="0" * 32, bound="browser", by="user"), "1a2b3c4d")

    assert made is not None
    assert (made["what"], made["bound"], made["through"]) == ("session_created", "browser", "key:1a2b3c4d")


@given(
    st.sampled_from([events.Ended, events.LoggedIn, events.RevokedAll, events.TokenReused]),
    st.text(max_size=20),
    st.lists(st.sampled_from([TOKEN, f"sjk1-1a2b3c4d-{'f' * 64}", "x", "é"]), min_size=1, max_size=4),
)
@settings(max_examples=60, deadline=None)
def test_no_secret_is_in_an_entry_wherever_it_was_put(kind: type[events.Event], text: str, parts: list[str]) -> None:
    given_ = text + "".join(parts)
    needed: dict[type[events.Event], dict[str, Any]] = {
        events.Ended: {"reason": "logout"},
        events.RevokedAll: {"ended": 1},
    }
    event = kind(at=NOW, id=given_, user_id=given_, by=given_, address=given_, **needed.get(kind, {}))
    noted = made_entry("x", NOW, given_, given_, given_, {"a": [given_, {given_: given_}]})

    told = entry_of(event)
    assert told is not None
    for entry in (told, noted):
        line, _ = chained(entry, START)
        assert b"a" * 64 not in line
        assert b"f" * 64 not in line
        assert parse_line(line) is not None


def test_what_an_application_does_is_noted_beside_it(path: Path) -> None:
    trail = AuditFile(path, clock=lambda: NOW)
    trail.note("role_given", by="application:admin", user_id="ada", role="editor", times=[1, 2.5])

    (entry,) = entries(path)
    assert (entry["what"], entry["by"], entry["role"], entry["times"]) == (
        "role_given",
        "application:admin",
        "editor",
        [1, 2.5],
    )
    for wrong in ({"what": "Role given"}, {"by": "somebody"}, {"hash": "1"}, {"n": 1}):
        with pytest.raises(ConfigurationError):
            trail.note(**{"what": "role_given", "by": "user", **wrong})  # type: ignore[arg-type]  # what is tried here
    assert len(entries(path)) == 1
    assert flaws(path) == []


# The chain


def write(path: Path, count: int) -> None:
    """So many entries."""
    trail = AuditFile(path, clock=lambda: NOW)
    for number in range(count):
        trail.note("counted", by="application", number=number)
    trail.close()


def _append_many(path: Path, trail: AuditFile, count: int) -> None:
    for _ in range(count):
        trail.note("counted", by="application", pid=os.getpid())


def test_processes_that_were_forked_write_one_chain(path: Path) -> None:
    trail = AuditFile(path)
    trail.note("counted", by="application")
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=_append_many, args=(path, trail, 50)) for _ in range(4)]
    for process in processes:
        process.start()
    _append_many(path, trail, 50)
    for process in processes:
        process.join()

    assert [process.exitcode for process in processes] == [0] * 4
    assert [entry["n"] for entry in entries(path)] == list(range(1, 252))
    assert flaws(path) == []


def test_a_process_that_is_killed_while_it_writes_breaks_nothing(path: Path) -> None:
    trail = AuditFile(path)
    fork = multiprocessing.get_context("fork")
    for _ in range(3):
        process = fork.Process(target=_append_many, args=(path, trail, 100_000))
        process.start()
        before = path.stat().st_size
        while path.stat().st_size < before + 20_000:
            pass
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        trail.note("counted", by="application")

    assert flaws(path) == []
    assert len(entries(path)) > 100


def test_an_entry_that_was_written_before_its_link_is_followed(path: Path) -> None:
    write(path, 3)
    before = chain_path(path).read_bytes()
    write(path, 1)
    chain_path(path).write_bytes(before)  # killed between the two
    write(path, 1)

    assert [entry["n"] for entry in entries(path)] == [1, 2, 3, 4, 5]
    assert flaws(path) == []


def test_half_an_entry_is_cut_off(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(path, 3)
    with path.open("ab") as file:
        file.write(b'{"address":"192.')
    write(path, 1)

    assert [entry["n"] for entry in entries(path)] == [1, 2, 3, 4]
    assert flaws(path) == []
    assert "half an entry" in caplog.text


@pytest.mark.parametrize("empty", [False, True], ids=["renamed", "copied and truncated"])
def test_the_chain_goes_on_where_the_file_is_rotated(path: Path, empty: bool) -> None:
    trail, old = AuditFile(path), path.with_name("audit.jsonl.1")
    _append_many(path, trail, 3)
    if empty:
        old.write_bytes(path.read_bytes())
        path.write_bytes(b"")
    else:
        path.rename(old)
    _append_many(path, trail, 2)

    assert [entry["n"] for entry in entries(path)] == [4, 5]
    assert flaws(old, path) == []
    assert [flaw.kind for flaw in flaws(path)] == ["removed"]


def test_a_trail_that_cannot_be_written_is_told_of_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        AuditFile(tmp_path / "nowhere" / "audit.jsonl")


# What is noticed


def edited(line: bytes, **members: Any) -> bytes:
    """An entry with other members, and the hash that belongs to them."""
    entry = json.loads(line) | members
    del entry["hash"]
    made, _ = chained({k: v for k, v in entry.items() if k not in ("n", "prev")}, Link(entry["n"] - 1, entry["prev"]))
    return made


Lines = list[bytes]


@pytest.mark.parametrize(
    ("spoil", "kind", "line"),
    [
        pytest.param(lambda lines: [*lines[:3], *lines[4:]], "removed", 4, id="one"),
        pytest.param(lambda lines: lines[1:], "removed", 1, id="the first"),
        pytest.param(lambda lines: lines[:-2], "removed", 6, id="the last two"),
        pytest.param(lambda lines: [*lines[:2], *lines[5:]], "removed", 3, id="three"),
        pytest.param(
            lambda lines: [*lines[:3], lines[3].replace(b"application", b"user"), *lines[4:]],
            "changed",
            4,
            id="another word",
        ),
        pytest.param(
            lambda lines: [*lines[:3], lines[3].replace(b'"by":"app', b'"by": "app'), *lines[4:]],
            "changed",
            4,
            id="a blank",
        ),
        pytest.param(
            lambda lines: [*lines[:3], b'{"by":"user",' + lines[3][1:], *lines[4:]], "changed", 4, id="a name twice"
        ),
        pytest.param(
            lambda lines: [*lines[:3], edited(lines[3], by="user"), *lines[4:]], "changed", 4, id="a new hash"
        ),
        pytest.param(lambda lines: [*lines[:7], edited(lines[7], by="user")], "changed", 8, id="a new hash at the end"),
        pytest.param(lambda lines: [*lines[:3], b"\n", *lines[4:]], "changed", 4, id="no entry"),
        pytest.param(lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]], "moved", 5, id="two"),
        pytest.param(lambda lines: [*lines[:1], *lines[2:], lines[1]], "moved", 8, id="the second to the end"),
        pytest.param(lambda lines: [*lines[:4], lines[1], *lines[4:]], "added", 5, id="again"),
    ],
)
def test_a_line_that_was_removed_changed_moved_or_put_in_is_noticed(
    path: Path, spoil: Callable[[Lines], Lines], kind: str, line: int
) -> None:
    write(path, 8)
    assert flaws(path) == []
    path.write_bytes(b"".join(spoil(path.read_bytes().splitlines(keepends=True))))

    assert [(flaw.kind, flaw.place.line) for flaw in flaws(path)] == [(kind, line)]


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_is_done_to_the_lines_is_noticed(data: st.DataObject) -> None:
    lines: list[bytes] = []
    after = START
    for number in range(6):
        line, after = chained(made_entry("counted", NOW, "user", "", None, {"number": number}), after)
        lines.append(line)
    kept = data.draw(st.lists(st.integers(0, 5), max_size=8))
    there = [lines[number] for number in kept]
    if data.draw(st.booleans()) and there:
        at = data.draw(st.integers(0, len(there) - 1))
        byte = data.draw(st.integers(0, len(there[at]) - 2))
        spoilt = bytearray(there[at])
        spoilt[byte] ^= 1 + data.draw(st.integers(0, 254))
        there[at] = bytes(spoilt)
    verification = Verification()
    for number, line in enumerate(there, 1):
        verification.look(EntryPlace("a", number), line)
    found = verification.finish(after, EntryPlace("a", len(there)))

    # Of an empty trail nothing can be said: it was rotated away just now.
    assert bool(found) == (there not in ([], lines))


def test_entries_that_were_put_away_are_not_missed_where_that_is_said(path: Path) -> None:
    write(path, 4)
    verification = Verification(partial=True)
    for number, line in enumerate(path.read_bytes().splitlines(keepends=True)[2:], 1):
        verification.look(EntryPlace("a", number), line)

    assert verification.finish() == []
    assert (verification.first, verification.last.n) == (3, 4)


def test_the_newest_are_found_from_the_end_a_megabyte_at_a_time(tmp_path: Path) -> None:
    trail = AuditFile(tmp_path / "audit.jsonl")
    trail.note("first", by="user", user_id="ada")
    for number in range(30):
        trail.note("long", by="user", user_id="grace", text="x" * 100_000, number=number)

    looked, before = [], 0
    while True:
        found = newest(trail, "ada", before)
        looked.append(len(found.entries))
        before = found.before
        if not before:
            break
    assert looked == [0, 0, 1]
    three = newest(trail, limit=3)
    assert [each["number"] for each in three.entries] == [29, 28, 27]
    assert [each["number"] for each in newest(trail, before=three.before, limit=2).entries] == [26, 25]
    trail.path.unlink()
    with pytest.raises(ConfigurationError, match="cannot be read: No such file"):
        newest(trail)
