"""The audit trail as a table: one chain for all who write, its own retention, what is noticed of it. Real stores."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sojourn import AsyncSessionManager, ConfigurationError, SessionManager, StoreUnavailable, open_store
from sojourn.audit import AuditTable, Webhook
from sojourn.audit.newest import newest
from sojourn.audit.table import TableURL, open_table
from sojourn.audit.verification import Flaw
from sojourn.cli import Exit
from sojourn.cli.audit import verified_table
from sojourn.cli.serve_check_audit import asked_for_trail
from sojourn.events import CleanedUp, Ended
from sojourn.stores.memory import AsyncMemoryStore
from sojourn.stores.postgres import migrate
from sojourn.stores.sqlite.file import SQLiteFile
from tests.audit.receiver import SECRET, receiving
from tests.cli.program import Program
from tests.servers.postgres import PostgresServer
from tests.servers.waiting import wait_until

NOW = 1_800_000_000_000
DAY = 86_400_000


@pytest.fixture
def anyio_backend() -> str:
    """The loop that has a thread for it."""
    return "asyncio"


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store's."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/sessions.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    conninfo = server.new_database()
    migrate(conninfo)
    return conninfo


@pytest.fixture
def trail(url: str) -> Iterator[AuditTable]:
    """The trail there."""
    trail = AuditTable(f"{url}?keep_days=10", clock=lambda: NOW)
    yield trail
    trail.close()


def entries(trail: AuditTable) -> list[dict[str, Any]]:
    """What is in a trail."""
    return [json.loads(line) for _, line in trail.table.read(0, 1000)]


def execute(url: str, statement: str) -> None:
    """What somebody does to it by hand."""
    if url.startswith("postgresql:"):
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(statement)
    else:
        SQLiteFile(url.removeprefix("sqlite:///"), 1).write(lambda connection: connection.execute(statement))


def verified(url: str) -> Sequence[Flaw]:
    """What is wrong with the trail there."""
    return verified_table(url)[1]


def count(trail: AuditTable, count: int) -> None:
    """So many entries."""
    for number in range(count):
        trail.note("counted", by="application", number=number, pid=os.getpid())


def test_who_did_what_is_kept_beside_the_sessions_and_the_program_shows_and_verifies_it(
    url: str, trail: AuditTable, sojourn: Program
) -> None:
    env = {"SOJOURN_STORE": url, "SOJOURN_AUDIT": url}
    manager = SessionManager(open_store(url), on_event=trail)
    session = manager.anonymous()
    session.login("ada")
    manager.commit(session)
    assert session.id is not None
    revoked = sojourn("revoke", session.id, env=env)
    manager.close()

    assert (revoked.code, [entry["what"] for entry in entries(trail)]) == (Exit.DONE, ["logged_in", "ended"])
    shown = sojourn("audit", "--user", "ada", env=env)
    assert [line.split()[2] for line in shown.out.splitlines()] == ["logged_in", "ended"]
    assert verified(url) == []

    execute(url, "UPDATE sojourn_audit SET entry = replace(entry, 'ada', 'eve') WHERE n = 1")
    spoilt = sojourn("audit", "verify", "--json", env=env)
    problem = {"file": "sojourn_audit", "line": 1, "kind": "changed", "detail": "entry 1 is not as it was written"}
    assert (spoilt.code, spoilt.json["problems"]) == (Exit.NOTHING, [problem])


@pytest.mark.parametrize(
    ("statement", "kind", "line"),
    [
        ("DELETE FROM sojourn_audit WHERE n = 2", "removed", 3),
        ("DELETE FROM sojourn_audit WHERE n = 1", "removed", 2),
        ("DELETE FROM sojourn_audit WHERE n > 2", "removed", 2),
        ("DELETE FROM sojourn_audit", "removed", 0),
        ("UPDATE sojourn_audit SET entry = 'x' WHERE n = 2", "changed", 2),
        ("UPDATE sojourn_audit SET n = 9 WHERE n = 2", "moved", 9),
    ],
)
def test_a_row_that_was_removed_changed_or_moved_is_noticed(
    tmp_path: Path, statement: str, kind: str, line: int
) -> None:
    url = f"sqlite:///{tmp_path}/sessions.db"
    trail = AuditTable(url)
    count(trail, 4)
    assert verified(url) == []
    execute(url, statement)
    trail.close()

    assert [(flaw.kind, flaw.place.line) for flaw in verified(url)] == [(kind, line)]


def test_processes_and_threads_write_one_chain(url: str, trail: AuditTable) -> None:
    count(trail, 1)
    fork = multiprocessing.get_context("fork")
    writers: list[multiprocessing.process.BaseProcess | threading.Thread] = [
        *(fork.Process(target=count, args=(trail, 10)) for _ in range(3)),
        *(threading.Thread(target=count, args=(trail, 10)) for _ in range(2)),
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert [entry["n"] for entry in entries(trail)] == list(range(1, 52))
    assert len({entry["pid"] for entry in entries(trail)}) == 4
    assert verified(url) == []


async def test_in_an_event_loop_it_is_written_in_order_while_the_loop_goes_on(url: str) -> None:
    trail = AuditTable(url)
    manager = AsyncSessionManager(AsyncMemoryStore(), on_event=trail)
    with_lock = open_table(TableURL.parse(url), make=False)
    locked, go_on = threading.Event(), threading.Event()

    def hold(*_: object) -> None:
        locked.set()
        assert go_on.wait(20)

    # Somebody else is in the middle of a write, which who writes waits for.
    holder = threading.Thread(target=held, args=(url, hold))
    holder.start()
    assert await asyncio.to_thread(locked.wait, 20)
    ids = []
    for _ in range(3):
        session = manager.anonymous()
        session.login("ada")
        await manager.commit(session)
        ids.append(session.id)
    assert with_lock.read(0, 10) == []
    go_on.set()
    trail.close()
    await asyncio.to_thread(holder.join)

    assert [json.loads(line)["session_id"] for _, line in with_lock.read(0, 10)] == ids
    with_lock.close()


def tell_in_a_loop(trail: AuditTable) -> None:
    """Three entries, and no more is done."""

    async def tell() -> None:
        count(trail, 3)

    asyncio.run(tell())


def test_what_was_told_in_an_event_loop_is_written_before_its_process_ends(url: str, trail: AuditTable) -> None:
    # So that the child has a parent's thread to forget, which is idle by then.
    tell_in_a_loop(trail)
    wait_until(lambda: len(entries(trail)) == 3, "what the parent told")
    process = multiprocessing.get_context("fork").Process(target=tell_in_a_loop, args=(trail,))
    process.start()
    process.join()
    trail.close()

    assert process.exitcode == 0
    assert sorted(entry["number"] for entry in entries(trail)) == [0, 0, 1, 1, 2, 2]
    assert verified(url) == []


def held(url: str, hold: Callable[..., None]) -> None:
    """The lock that writers take, for the time of `hold`."""
    if url.startswith("postgresql:"):
        with psycopg.connect(url) as connection:
            connection.execute("SELECT FROM sojourn_audit_chain FOR UPDATE")
            hold()
    else:
        SQLiteFile(url.removeprefix("sqlite:///"), 1).write(hold)


def test_a_clean_up_deletes_what_is_older_than_is_kept_and_the_rest_stays_whole(url: str, trail: AuditTable) -> None:
    for days in (30, 11, 9, 20, 1):
        trail(Ended(at=NOW - days * DAY, id="0" * 32, reason="logout", by="user"))
    # Another writer, who keeps them for ever.
    AuditTable(url)(CleanedUp(at=NOW, deleted=5, by="cleanup"))
    assert len(entries(trail)) == 6
    trail(CleanedUp(at=NOW, deleted=7, by="cleanup"))

    told = [(entry["n"], entry["what"], entry.get("deleted")) for entry in entries(trail)]
    # The fourth is behind one that is younger, and stays with it.
    kept = [(3, "ended", None), (4, "ended", None), (5, "ended", None)]
    assert told == [*kept, (6, "cleaned_up", 5), (7, "cleaned_up", 7), (8, "trail_cut", 2)]
    assert verified(url) == []
    assert trail.delete_old() == 0
    execute(url, "DELETE FROM sojourn_audit WHERE n = 3")
    assert [(flaw.kind, flaw.detail) for flaw in verified(url)] == [("removed", "entry 3 is missing before this line")]


def test_where_all_is_older_than_is_kept_the_chain_goes_on(url: str, sojourn: Program) -> None:
    old = AuditTable(url, clock=lambda: NOW - 400 * DAY)
    count(old, 3)
    old.close()
    cleaned = sojourn("cleanup", "--store", url, "--audit", f"{url}?keep_days=3")
    trail = AuditTable(url)

    assert (cleaned.code, [(entry["n"], entry["what"]) for entry in entries(trail)]) == (0, [(4, "trail_cut")])
    trail.close()
    assert verified(url) == []


def test_the_newest_are_found_from_the_end(trail: AuditTable, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sojourn.audit.newest.ROWS_LOOKED_AT", 4)
    for number, user in enumerate(("ada", *["eve"] * 6)):
        trail.note("counted", by="user", user_id=user, number=number)

    first = newest(trail, limit=3)
    assert [entry["number"] for entry in first.entries] == [6, 5, 4]
    looked = [newest(trail, "ada")]
    while looked[-1].before:
        looked.append(newest(trail, "ada", looked[-1].before))
    assert [[entry["number"] for entry in found.entries] for found in looked] == [[], [0]]
    assert [entry["number"] for entry in newest(trail, before=first.before).entries] == [3, 2, 1, 0]


def test_a_webhook_sends_what_is_in_the_table(url: str, trail: AuditTable, tmp_path: Path) -> None:
    count(trail, 1)  # before there was an outbox
    with receiving() as receiver:
        hook = Webhook(url, receiver.url, SECRET, outbox=tmp_path / "outbox.db")
        hook.start()
        count(trail, 2)
        got = receiver.wait_for(2)
        hook.close()

    assert sorted(data["data"]["n"] for _, data in got) == [2, 3]


def test_what_keeps_no_trail_is_refused_and_a_password_not_repeated() -> None:
    for url, said in {
        "redis://:hunter2@localhost": "No audit trail is kept in redis",
        "valkey+cluster://:hunter2@localhost": "No audit trail is kept in valkey",
        "memory:": "No audit trail is kept in memory",
        "postgresql://me:hunter2@localhost/app?keep_days=soon": "keep_days= takes days",
        "postgresql://me:hunter2@localhost/app?keep_days=0": "keep_days= takes days",
        "mysql://me:hunter2@localhost/app": "No store has a URL like this one",
    }.items():
        with pytest.raises(ConfigurationError, match=said.replace("+", "[+]")) as refused:
            AuditTable(url)
        assert "hunter2" not in str(refused.value)
    kept = TableURL.parse("postgresql://h/app?cache=1MiB&keep_days=7&sslmode=require")
    assert (kept.store.bare, kept.keep_days) == ("postgresql://h/app?sslmode=require", 7)


def test_who_only_reads_makes_no_trail(tmp_path: Path, sojourn: Program) -> None:
    url = f"sqlite:///{tmp_path}/sessions.db"
    open_store(url).close()
    found = sojourn("audit", env={"SOJOURN_AUDIT": url})
    assert (found.code, "There is no audit trail" in found.err) == (Exit.USAGE, True)
    with pytest.raises(ConfigurationError, match="There is no audit trail"):
        verified(url)


def test_a_role_that_may_only_add_writes_it_and_one_that_may_not_is_told_the_grants(
    postgres: PostgresServer,
) -> None:
    conninfo = postgres.new_database()
    migrate(conninfo)
    with psycopg.connect(conninfo, autocommit=True) as connection:
        connection.execute("DROP ROLE IF EXISTS adder")
        connection.execute("CREATE ROLE adder LOGIN")
        connection.execute("GRANT SELECT ON sojourn_migration TO adder")
        as_adder = conninfo.replace("postgres@", "adder@")
        trail = AuditTable(as_adder)
        with pytest.raises(ConfigurationError, match="SELECT and INSERT on sojourn_audit"):
            count(trail, 1)
        (found,) = asked_for_trail(as_adder)
        assert (found.how, "audit.trail: PostgreSQL refuses the audit trail" in found.text) == ("wrong", True)
        connection.execute("GRANT SELECT, INSERT ON sojourn_audit TO adder")
        connection.execute("GRANT SELECT, UPDATE ON sojourn_audit_chain TO adder")
        count(trail, 2)
        trail.close()
        assert list(asked_for_trail(as_adder)) == []
        with psycopg.connect(as_adder) as adder, pytest.raises(psycopg.errors.InsufficientPrivilege):
            adder.execute("UPDATE sojourn_audit SET entry = ''")
        connection.execute("DROP OWNED BY adder")
        connection.execute("DROP ROLE adder")
    assert verified(conninfo) == []


async def test_what_cannot_be_written_in_an_event_loop_is_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trail = AuditTable(f"sqlite:///{tmp_path}/sessions.db")
    execute(f"sqlite:///{tmp_path}/sessions.db", "DROP TABLE sojourn_audit")
    trail.note("role_given", by="application", user_id="ada")
    trail.close()

    assert "1 entries are missing" in caplog.text
    assert "'what': 'role_given'" in caplog.text
    with pytest.raises(StoreUnavailable):
        await asyncio.to_thread(trail.note, "role_given", by="application")
