from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sojourn import ConfigurationError, open_async_store, open_store
from sojourn.stores.cached import AsyncCachedStore, CachedStore
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore
from sojourn.stores.postgres import AsyncPostgresStore, PostgresStore, migrate
from sojourn.stores.redis import AsyncRedisStore, RedisStore
from sojourn.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from sojourn.stores.store_url import StoreURL
from tests.servers.postgres import PostgresServer

Open = Callable[[str], Any]
both = pytest.mark.parametrize("open_it", [open_store, open_async_store])


def test_memory_is_a_store_in_memory() -> None:
    assert isinstance(open_store("memory:"), MemoryStore)
    assert isinstance(open_async_store("memory:"), AsyncMemoryStore)


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///sessions.db", "sessions.db"),
        ("sqlite:///{folder}/sessions.db", "{folder}/sessions.db"),
        ("sqlite:///./a%20b%3F%23.db", "a b?#.db"),
        ("SQLite:///x.db", "x.db"),
    ],
)
def test_sqlite_is_a_file_that_is_not_looked_at_yet(
    url: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    url = url.format(folder=tmp_path)
    store, other = open_store(url), open_async_store(url)

    assert isinstance(store, SQLiteStore)
    assert isinstance(other, AsyncSQLiteStore)
    # Only the file itself can tell that the URL was read aright.
    assert store._file.path == Path(path.format(folder=tmp_path)).absolute()


@pytest.mark.parametrize(
    ("url", "kinds"),
    [
        ("redis://no-such-host.invalid", (RedisStore, AsyncRedisStore)),
        ("Rediss://u:p@no-such-host.invalid/1", (RedisStore, AsyncRedisStore)),
        ("unix:///no/such.sock?db=3", (RedisStore, AsyncRedisStore)),
        ("redis+cluster://no-such-host.invalid,other.invalid:7000", (RedisStore, AsyncRedisStore)),
        ("rediss+sentinel://no-such-host.invalid/main/0?min_replicas=1", (RedisStore, AsyncRedisStore)),
        ("redis://no-such-host.invalid?cache=1MiB", (CachedStore, AsyncCachedStore)),
    ],
)
def test_a_redis_is_not_asked_yet(url: str, kinds: tuple[type, type]) -> None:
    assert type(open_store(url)) is kinds[0]
    assert type(open_async_store(url)) is kinds[1]


def test_a_postgresql_is_asked_whether_its_tables_are_there(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    for open_it in (open_store, open_async_store):
        with pytest.raises(ConfigurationError, match="sojourn migrate"):
            open_it(url)
    migrate(url)

    assert type(open_store(url)) is PostgresStore
    assert type(open_async_store(f"{url}?sslmode=prefer")) is AsyncPostgresStore
    assert type(open_store(f"{url}?cache=1MiB&max_staleness=0.5&sslmode=prefer")) is CachedStore


BAD = [
    "",
    "memory://",
    "memory:x",
    "sqlite:",
    "sqlite://",
    "sqlite:///",
    "sqlite://host/path.db",
    "sqlite:///a.db?mode=ro",
    "sqlite:///a.db#b",
    "redis:hunter2",
    "mysql://user:hunter2@host/db",
    "user:hunter2@host",
    "hunter2@host:6379",
    "//user:hunter2@host/0",
    "host=db.example.com password=hunter2",
]


@both
@pytest.mark.parametrize("url", BAD)
def test_any_other_url_is_refused_with_the_ones_there_are_and_without_a_password(open_it: Open, url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"Write sqlite:///relative\.db") as caught:
        open_it(url)

    assert "hunter2" not in str(caught.value)


@both
@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("sessions.db", "sqlite:///sessions.db"),
        ("/srv/my app/s.db", "sqlite:////srv/my%20app/s.db"),
        ("memory", "sqlite:///memory"),
    ],
)
def test_a_file_name_is_answered_with_its_url(open_it: Open, name: str, url: str) -> None:
    with pytest.raises(ConfigurationError, match=f"write {url}$"):
        open_it(name)


@both
def test_memory_is_no_file(open_it: Open) -> None:
    with pytest.raises(ConfigurationError, match="write memory:"):
        open_it("sqlite:///:memory:")


@pytest.mark.parametrize("kind", [SQLiteStore, AsyncSQLiteStore])
def test_nor_is_it_made_by_hand(kind: Callable[[str], object]) -> None:
    with pytest.raises(ConfigurationError, match="memory:"):
        kind(":memory:")


MIB = 1 << 20


@pytest.mark.parametrize(
    ("url", "bare", "cache"),
    [
        ("redis://h/0", "redis://h/0", None),
        ("redis://h/0?cache=64MiB", "redis://h/0", {"max_bytes": 64 * MIB}),
        ("Redis://h?cache=1000", "redis://h", {"max_bytes": 1000}),
        ("unix:///run/r.sock?db=2&cache=8KiB", "unix:///run/r.sock?db=2", {"max_bytes": 8192}),
        (
            "redis+sentinel://a:1,b:2/main/0?max_staleness=0.5&cache=1GiB",
            "redis+sentinel://a:1,b:2/main/0",
            {"max_bytes": 1 << 30, "max_staleness": 0.5},
        ),
        (
            "postgresql://u:p%3F@h/d?sslmode=require&cache=2MiB&options=-c%20x%3Dy",
            "postgresql://u:p%3F@h/d?sslmode=require&options=-c%20x%3Dy",
            {"max_bytes": 2 * MIB},
        ),
        ("postgres://u:a?b@h/d?cache=1MiB", "postgres://u:a?b@h/d", {"max_bytes": MIB}),
        ("postgresql:///d?host=/run/postgresql&bare", "postgresql:///d?host=/run/postgresql&bare", None),
    ],
)
def test_the_cache_s_parameters_are_taken_off_and_all_others_left_as_they_are(
    url: str, bare: str, cache: dict[str, float] | None
) -> None:
    at = StoreURL.parse(url)

    assert (at.bare, at.cache) == (bare, cache)


@both
@pytest.mark.parametrize("url", ["memory:?cache=64MiB", "sqlite:///a.db?cache=64MiB"])
def test_a_cache_is_not_for_what_is_near_already(open_it: Open, url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"PostgreSQL, Redis and Valkey\. (memory|sqlite): answers from this"):
        open_it(url)


@both
@pytest.mark.parametrize(
    "query",
    ["cache", "cache=", "cache=0", "cache=64MB", "cache=lots", "cache=-1", "max_staleness=1"]
    + [f"cache=1MiB&max_staleness={wrong}" for wrong in ("", "0", "-1", "nan", "inf", "soon")],
)
def test_a_wrong_size_or_time_of_the_cache_is_told_with_a_right_one(open_it: Open, query: str) -> None:
    with pytest.raises(ConfigurationError, match=r"Write \?cache=64MiB") as caught:
        open_it(f"redis://user:hunter2@host/0?{query}")

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("query", "bare", "durability"),
    [("", "", "all"), ("?durability=ends", "", "ends"), ("?durability=all&sslmode=prefer", "?sslmode=prefer", "all")],
)
def test_durability_is_taken_off_a_postgresql_url(query: str, bare: str, durability: str) -> None:
    at = StoreURL.parse(f"postgresql://h/d{query}")

    assert (at.bare, at.durability) == (f"postgresql://h/d{bare}", durability)


@both
@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://user:hunter2@host/d?durability=none", r"durability= takes all, or ends"),
        ("postgresql://user:hunter2@host/d?durability=", r"durability= takes all, or ends"),
        ("redis://user:hunter2@host/0?durability=ends", r"durability= is for PostgreSQL"),
        ("sqlite:///a.db?durability=ends", r"durability= is for PostgreSQL"),
    ],
)
def test_a_durability_that_no_store_has_is_told(open_it: Open, url: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        open_it(url)

    assert "hunter2" not in str(caught.value)


DRIVERS = [
    ("redis://h", "redis", "redis"),
    ("unix:///s", "redis", "redis"),
    ("redis+cluster://h", "redis", "redis"),
    ("postgresql://h/d", "psycopg", "postgres"),
    ("postgres://h/d", "psycopg_pool", "postgres"),
]


@pytest.mark.parametrize("function", ["open_store", "open_async_store"])
@pytest.mark.parametrize(("url", "driver", "extra"), DRIVERS)
def test_a_driver_that_is_missing_is_told_with_the_extra_that_brings_it(
    function: str, url: str, driver: str, extra: str
) -> None:
    code = f"import sys, sojourn; sys.modules[{driver!r}] = None; sojourn.{function}({url!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.stderr.splitlines()[-1] == (
        f"sojourn.core.errors.ConfigurationError: A store of this scheme needs the extra `{extra}`: "
        f"pip install '.[{extra}]' in a checkout of Sojourn"
    )
