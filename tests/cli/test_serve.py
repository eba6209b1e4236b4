"""`sojourn serve --check`, as a process: what is wrong or weak, and where a setting comes from."""

from __future__ import annotations

import tomllib

import pytest

from sojourn.cli import Exit
from sojourn.cli.serve_check import binding
from sojourn.service.settings import make_settings
from tests.cli.program import Program
from tests.servers.redis import RedisServer

GOOD = ["serve", "--check", "--store", "sqlite:///s.sqlite3", "--keys", "keys.json"]


@pytest.fixture
def ready(sojourn: Program) -> Program:
    """A program with a key in keys.json."""
    sojourn("keys", "make", "--keys", "keys.json", "--name", "web")
    return sojourn


def test_good_settings_are_good(ready: Program) -> None:
    done = ready(*GOOD)

    assert (done.code, done.out.splitlines()[0]) == (Exit.DONE, "Nothing is wrong, and nothing weak.")
    assert not (ready.folder / "s.sqlite3").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--store", "memory:"], "weak: store memory: a restart signs everybody out."),
        (["--keys", "none.json"], "weak: keys none.json: there is no such file"),
        (["--host", "0.0.0.0"], "weak: host 0.0.0.0: keys and tokens cross the network as they are."),
    ],
)
def test_what_is_weak_is_told(ready: Program, words: list[str], told: str) -> None:
    done = ready(*GOOD, *words)

    assert done.code == Exit.NOTHING
    assert done.out.startswith(told)


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ("[cookie]\ninsecure_http = true", "weak: cookie.insecure_http: anyone on the network can read the tokens."),
        ("[policy]\nrotate_interval = false", "weak: policy.rotate_interval is off: a copied token goes unnoticed."),
        (
            "[policy]\nremember = { idle_timeout = 86400, absolute_timeout = 8640000 }",
            "weak: policy.remember.absolute_timeout is 100 d, over the 30 d of NIST SP 800-63B-4 2.1.3 at AAL1.",
        ),
    ],
)
def test_what_is_weak_in_the_file_is_told(ready: Program, table: str, told: str) -> None:
    (ready.folder / "sojourn.toml").write_text(table)
    done = ready(*GOOD, "--config", "sojourn.toml")

    assert done.code == Exit.NOTHING
    assert done.out.startswith(told)


def test_files_that_others_may_read_are_told(ready: Program) -> None:
    (ready.folder / "keys.json").chmod(0o644)
    assert ready(*GOOD).out.startswith("weak: keys keys.json: others may read it. chmod 600 keys.json\ncookies: ")

    (ready.folder / "keys.json").chmod(0o600)
    config = ready.folder / "sojourn.toml"
    config.write_text('store = "postgresql://app:hunter2@db/app"')
    config.chmod(0o644)
    done = ready("serve", "--check", "--keys", "keys.json", "--config", "sojourn.toml")
    assert done.out.startswith("weak: sojourn.toml holds the store's password and others may read it")
    config.chmod(0o600)
    done = ready("serve", "--check", "--keys", "keys.json", "--config", "sojourn.toml")
    assert done.out.startswith("weak: store: its server could not be asked. PostgreSQL cannot be reached: ")
    assert "hunter2" not in done.out


def test_a_redis_that_throws_sessions_away_is_wrong_and_one_without_bounds_weak(
    ready: Program, redis_server: RedisServer
) -> None:
    check = [*GOOD[:3], f"{redis_server.url}?cache=1MiB", *GOOD[4:]]
    redis_server.ask("CONFIG", "SET", "maxmemory", "1gb")
    redis_server.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    try:
        done = ready(*check)
        assert (done.code, done.out.count("\n")) == (Exit.USAGE, 2)
        assert done.out.startswith(f"wrong: store: Redis at {redis_server.address} throws live sessions away")
    finally:
        redis_server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        redis_server.ask("CONFIG", "SET", "maxmemory", 0)
    done = ready(*check)
    assert (done.code, done.out.count("\n")) == (Exit.NOTHING, 2)
    assert "keeps without bound what a process with a cache does not read" in done.out


def test_sessions_in_memory_and_several_workers_are_wrong(ready: Program) -> None:
    done = ready(*GOOD, "--store", "memory:", "--workers", "2")

    assert done.code == Exit.USAGE
    assert done.out.startswith("wrong: store memory: with several workers, each has sessions of its own.")
    assert ready(*GOOD[:1], *GOOD[2:], "--store", "memory:", "--workers", "2").code == Exit.USAGE


def test_a_broken_file_of_keys_is_wrong(ready: Program) -> None:
    (ready.folder / "keys.json").write_text("{")
    done = ready(*GOOD)

    assert done.code == Exit.USAGE
    assert done.out.startswith("wrong: keys.json is no file of API keys")


def test_a_flag_wins_over_the_environment_and_that_over_the_file(ready: Program) -> None:
    (ready.folder / "sojourn.toml").write_text(
        'store = "memory:"\nkeys = "none.json"\nworkers = 1\n[log]\nlevel = "debug"'
    )
    words = ["serve", "--check", "--config", "sojourn.toml"]
    assert ready(*words).out.count("weak:") == 2

    env = {"SOJOURN_STORE": "sqlite:///s.sqlite3", "SOJOURN_KEYS": "keys.json", "SOJOURN_LOG_FORMAT": "json"}
    assert ready(*words, env=env).code == Exit.DONE
    assert ready(*words, "--store", "memory:", env=env).out.startswith("weak: store memory:")


KUBERNETES = {
    "SOJOURN_SERVICE_HOST": "10.96.0.17",
    "SOJOURN_SERVICE_PORT": "8100",
    "SOJOURN_PORT_8100_TCP": "tcp://10.96.0.17:8100",
    "SOJOURN_PORT_8100_TCP_PROTO": "tcp",
    "SOJOURN_PORT_8100_TCP_PORT": "8100",
    "SOJOURN_PORT_8100_TCP_ADDR": "10.96.0.17",
}


@pytest.mark.parametrize("link", ["tcp://10.96.0.17:8100", "udp://10.96.0.17:8100", "sctp://[fd00::1]:8100"])
def test_a_kubernetes_service_named_sojourn_changes_nothing(ready: Program, link: str) -> None:
    """Every pod in its namespace gets these."""
    env = {**KUBERNETES, "SOJOURN_PORT": link}
    assert ready(*GOOD, env=env).code == Exit.DONE
    assert "port: Expected" in ready(*GOOD, "--port", "99999", env=env).err
    (ready.folder / "sojourn.toml").write_text("port = 99999")
    assert "port: Expected" in ready(*GOOD, "--config", "sojourn.toml", env=env).err


def test_a_port_in_the_environment_is_taken_and_another_slip_is_told(ready: Program) -> None:
    assert "port: Expected" in ready(*GOOD, env={"SOJOURN_PORT": "99999"}).err
    assert "'http' is not a valid integer" in ready(*GOOD, env={"SOJOURN_PORT": "http"}).err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["serve"], "Where are the sessions? Give --store URL, or SOJOURN_STORE"),
        (["serve", "--store", "memory:"], "Which keys? Give --keys FILE, or SOJOURN_KEYS"),
        ([*GOOD, "--port", "99999"], "port: Expected `int` <= 65535. Write port = 8100"),
        ([*GOOD, "--port", "x"], "'x' is not a valid integer"),
        ([*GOOD, "--config", "none.toml"], "File 'none.toml' does not exist"),
        ([*GOOD, "--log-level", "loud"], "'loud' is not one of 'debug'"),
    ],
)
def test_mistakes_are_told_with_their_mend(sojourn: Program, words: list[str], told: str) -> None:
    done = sojourn(*words)

    assert done.code == Exit.USAGE
    assert told in done.err


ORIGIN = 'public_origin = "https://app.example.com"'


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ("", ['policy.binding = "prefer"', "browser.public_origin, the origin", "browser.bind_cookies = true"]),
        (
            (
                "[policy]\nbinding = 'prefer'\n[browser]\nscript_readable_tokens = true\n"
                'public_origin = "http://app.example.com"'
            ),
            ["which http://app.example.com is not", "browser.bind_cookies = true"],
        ),
        (
            (
                f"[policy]\nbinding = 'prefer'\n[browser]\nscript_readable_tokens = true\n{ORIGIN}\n"
                "[cookie]\nname = '__Secure-session'\ndomain = 'example.com'"
            ),
            ["a cookie without domain", "browser.bind_cookies = true"],
        ),
    ],
)
def test_what_is_missing_to_bind_cookies_is_told(tables: str, told: list[str]) -> None:
    settings = make_settings({**tomllib.loads(tables), "store": "sqlite:///s.sqlite3", "keys": "keys.json"})
    begin, _, missing = binding(settings).partition(" What is missing (docs/binding.md): ")

    assert begin == "not bound, so that a copied one opens its session."
    found = missing.split("; ")
    assert [each for each, word in zip(found, told, strict=True) if word not in each] == []


def test_that_cookies_are_bound_is_told(ready: Program) -> None:
    (ready.folder / "sojourn.toml").write_text(
        f"[policy]\nbinding = 'prefer'\n[browser]\n{ORIGIN}\nbind_cookies = true"
    )
    done = ready(*GOOD, "--config", "sojourn.toml")

    assert done.code == Exit.DONE
    assert done.out.endswith("cookies: bound, where a browser has a key, by https://app.example.com/session\n")
