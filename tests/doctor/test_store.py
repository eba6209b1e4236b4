"""`sojourn doctor --store` and `--config`, on real servers: what is told, and that nothing is done there."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import msgspec
import psycopg
import pytest

from sojourn import Policy, SessionManager, open_store
from sojourn.core.record import Secrets
from sojourn.doctor import Finding, examine_store
from sojourn.doctor.record_checks import DAY_MS, examine_records
from sojourn.doctor.store_checks import judged
from sojourn.stores.postgres import migrate
from sojourn.stores.server_facts import ServerFacts
from tests.cli.program import Program
from tests.servers.postgres import PostgresServer
from tests.servers.redis import find_redis, start_redis

from .test_doctor import found

DOCS = Path(__file__).parents[2] / "docs" / "stores"


@pytest.fixture
def sojourn(tmp_path: Path) -> Program:
    return Program(tmp_path)


def severities(findings: list[Finding]) -> dict[str, str]:
    return {finding.check: finding.severity for finding in findings}


def block(page: str, start: str) -> str:
    """The block of the page that begins so."""
    text = (DOCS / page).read_text("utf-8")
    return text[text.index(f"\n{start}") :].partition("```")[0]


def test_a_sqlite_file_that_others_may_read_is_told_and_one_of_its_owners_alone_is_not(sojourn: Program) -> None:
    (sojourn.folder / "x").mkdir(mode=0o700)
    url = "sqlite:///x/sessions.db"
    open_store(f"sqlite:///{sojourn.folder}/x/sessions.db").close()
    file = sojourn.folder / "x" / "sessions.db"
    file.chmod(0o600)
    right = sojourn("doctor", "--store", url, "--json")
    file.chmod(0o644)
    wrong = sojourn("doctor", "--store", url, "--json")

    assert (right.code, found(right)) == (0, {"file mode": "good", "folder mode": "good"})
    assert (wrong.code, found(wrong)) == (1, {"file mode": "medium", "folder mode": "good"})


def test_of_redis_it_tells_rights_persistence_eviction_and_a_missing_password_and_does_none_of_it(
    tmp_path: Path,
) -> None:
    rights = block("redis.md", "ACL SETUSER")
    with start_redis(tmp_path, find_redis()) as server:
        server.ask("SET", "sj:kept", "1")
        users = server.ask("ACL", "LIST")
        loose = examine_store(server.url)
        left = (server.ask("GET", "sj:kept"), server.ask("ACL", "LIST"), server.ask("CONFIG", "GET", "maxmemory"))
        server.ask("DEL", "sj:kept")

        server.ask(*rights.split())
        server.ask("CONFIG", "SET", "appendonly", "yes")
        tight = examine_store(f"redis://sojourn:password@{server.address}")
        server.ask("CONFIG", "SET", "maxmemory", "64mb")
        server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
        server.ask("CONFIG", "SET", "appendfsync", "no")
        evicting = examine_store(server.url)

    assert left == ("1", users, ["maxmemory", "0"])
    common = {"clock": "good", "server": "good", "rights": "low", "persistence": "medium", "password": "low"}
    assert severities(loose) == common
    told = next(finding.came for finding in loose if finding.check == "rights")
    assert "FLUSHALL, CONFIG SET, ACL SETUSER, SHUTDOWN, KEYS, keys other than sj:*" in told
    assert severities(tight) == dict.fromkeys(("clock", "server", "rights", "persistence"), "good")
    assert severities(evicting) == common | {"server": "medium"}
    assert "appendfsync no" in next(finding.came for finding in evicting if finding.check == "persistence")


def test_of_postgresql_it_tells_a_superuser_an_owner_and_not_the_role_of_the_documentation(
    postgres: PostgresServer,
) -> None:
    conninfo = postgres.new_database()
    grants = block("postgres.md", "GRANT")
    with closing(psycopg.connect(conninfo, autocommit=True)) as connection:
        for role in ("doctor_owner", "app"):
            connection.execute(f"DROP ROLE IF EXISTS {role}")
            connection.execute(f"CREATE ROLE {role} LOGIN")
        connection.execute("CREATE SCHEMA AUTHORIZATION doctor_owner")
        migrate(conninfo.replace("//postgres@", "//doctor_owner@"))
        connection.execute("GRANT USAGE ON SCHEMA doctor_owner TO app")
        connection.execute("SET search_path TO doctor_owner")
        connection.execute(grants)
        schema = "?options=-csearch_path%3Ddoctor_owner"
        told = {
            role: next(
                finding
                for finding in examine_store(conninfo.replace("//postgres@", f"//{role}@") + schema)
                if finding.check == "rights"
            )
            for role in ("postgres", "doctor_owner", "app")
        }
        connection.execute("DROP SCHEMA doctor_owner CASCADE")
        connection.execute("DROP ROLE app, doctor_owner")

    assert [told[role].severity for role in told] == ["low", "low", "good"]
    assert "a superuser" in told["postgres"].came
    assert "as their owner" in told["doctor_owner"].came


@pytest.mark.parametrize(
    ("ahead", "severity"),
    [(None, "cannot tell"), (2.4, "good"), (-2.4, "good"), (3.0, "low"), (-61.0, "medium")],
)
def test_clocks_that_are_apart_by_more_than_the_documentation_bears_are_told(
    ahead: float | None, severity: str
) -> None:
    facts = ServerFacts("PostgreSQL", (), (), ahead, 0.5)

    assert {finding.check: finding.severity for finding in judged(facts)}["clock"] == severity


def test_what_sessions_say_of_their_policy_is_told_and_a_default_one_is_good() -> None:
    now = 1_800_000_000_000
    store = open_store("memory:")
    manager = SessionManager(store, Policy(), clock=lambda: now)
    for count in range(3):
        session = manager.anonymous()
        session.login("ada", remember=count == 1)
        manager.commit(session)
    records = store.scan("", 10)
    assert set(severities(examine_records(records, now)).values()) == {"good"}
    assert examine_records(records, now + 400 * DAY_MS) == []

    old = Secrets(family=b"f", current=b"c", rotated_at=now - 2 * DAY_MS)
    changed = {"absolute_expires_at": now + 90 * DAY_MS, "authenticated_at": 0, "secrets": old}
    odd = [msgspec.structs.replace(record, **changed) for record in records]
    assert severities(examine_records(odd * 40, now)) == {
        "timeouts": "low",
        "renewal": "cannot tell",
        "limit": "cannot tell",
        "adoption": "cannot tell",
    }


def test_a_services_settings_and_its_store_are_looked_at_together(sojourn: Program) -> None:
    (sojourn.folder / "s.toml").write_text(
        'store = "sqlite:///none.db"\nkeys = "none.json"\nhost = "0.0.0.0"\n'
        "[policy]\nrotate_interval = false\nmax_sessions = false\n[cookie]\ninsecure_http = true\n"
    )
    done = sojourn("doctor", "--config", "s.toml", "--json")

    assert found(done) == {
        "keys": "medium",
        "cookie.insecure_http": "medium",
        "host": "medium",
        "policy.rotate_interval": "low",
        "policy.max_sessions": "low",
        "binding": "low",
        "store": "broken off",
    }
    assert done.code == 1
