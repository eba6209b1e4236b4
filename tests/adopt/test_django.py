"""From Django's own sessions: a real project that moves, by each of its engines, and the reader of plain pickles."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sojourn import ConfigurationError
from sojourn.adopt import DjangoSessions
from sojourn.adopt.pickled import NotPlainError, plain_data
from tests.servers.redis import RedisServer

PROJECT = Path(__file__).with_name("django_move.py")
ADA = {"user": "ada", "cart": ["tea", {"n": 1.5}]}


@pytest.mark.parametrize("engine", ["db", "cached_db", "cache", "signed_cookies"])
def test_a_project_moves_and_signs_nobody_out(engine: str, tmp_path: Path, redis_server: RedisServer) -> None:
    redis_server.clear()
    command = [sys.executable, "-W", "error", str(PROJECT), str(tmp_path), redis_server.url, engine]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)

    assert (found["first"], found["second"]) == (ADA, ADA)
    assert found["cookie"] == ["sj1-", True, "/"]
    assert found["messages"] == [["Welcome."], []]
    # Ours knows the user, and takes the log-in for one of long ago.
    assert found["record"] == [True, 0]
    assert found["hours"] == 12
    # Whose password changed, whose account is gone, and who may not log in any more.
    assert found["refused"] == [None, None, None]
    assert found["forged"] == [None] * 7
    assert (found["pickles"], found["bomb"]) == ([None], False)
    assert found["rows"] == 1
    assert found["replayed"] == {"user": None, "cart": None}
    assert found["elsewhere"] == [True, ["tea", {"n": 1.5}]]
    assert found["expired"] is None
    # An old store that does not answer is an outage; one that only cannot delete is told of in the log.
    assert found["away"] == [503 if engine == "cache" else 200, "away"]
    assert ("was not deleted from the old store" in done.stderr) == (engine == "cached_db")


def test_another_engine_is_told_so() -> None:
    with pytest.raises(ConfigurationError, match="db,cached_db,cache,signed_cookies"):
        DjangoSessions("django.contrib.sessions.backends.file")


# Pickles


PLAIN: list[Any] = [
    {},
    {"a": 1, "b": [1, -2, 2**40, 2**62, 1.5, True, False, None], "c": {"d": "ü" * 300, "": []}},
    {"tuples": ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)), "text": "x" * 70_000},
    {str(n): [n] for n in range(2000)},
    {"same text": ["key", "key"], "key": "key"},
    [],
    "text",
    1,
]


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("value", PLAIN, ids=range(len(PLAIN)))
def test_plain_data_is_read_as_pickle_would(value: Any, protocol: int) -> None:
    raw = pickle.dumps(value, protocol)

    assert plain_data(raw) == pickle.loads(raw) == value


class Bomb:
    def __init__(self, file: Path) -> None:
        self.file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.file,)


def billion_laughs() -> list[Any]:
    value: list[Any] = ["x"]
    for _ in range(30):
        value = [value, value]
    return value


@pytest.mark.parametrize("protocol", range(6))
def test_what_is_more_than_plain_data_is_refused_unrun(protocol: int, tmp_path: Path) -> None:
    endless: list[Any] = []
    endless.append(endless)
    values = [Bomb(tmp_path / "hit"), {"a": [Bomb(tmp_path / "hit")]}, {1}, 1j, Path, len, endless, billion_laughs()]

    for value in values:
        with pytest.raises(NotPlainError):
            plain_data(pickle.dumps(value, protocol))
    assert not (tmp_path / "hit").exists()


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b".", b"\x80", b"\x80\x05", b"\x80\x05.", b"\x80\x05N", b"x" * 100, b"(.", b"\x80\x02}(."),
        b"\x80\x02]}s.",
        b"\x80\x02}]K\x01s.",  # a list for a key
        b"\x80\x02K\x01K\x02a.",  # an append to a number
        b"\x80\x02}(K\x01u.",  # a key without a value
        b"\x80\x02h\x05.",  # what nobody put there
        b"\x80\x02q\x00.",
        b"\x80\x02NN.",  # two values
        b"\x80\x02\x8a\xff.",  # a number that is cut off
        b"\x80\x04\x95\xff\xff\xff\xff\xff\xff\xff\xff.",
        b"\x80\x02X\xff\xff\xff\x7fabc.",
        b"\x80\x02" + b"]" * 1_100_000 + b".",
    ],
)
def test_junk_is_no_pickle(raw: bytes) -> None:
    try:
        value = plain_data(raw)
    except NotPlainError:
        return
    # What is left is nothing that a session could be.
    assert not isinstance(value, dict)
