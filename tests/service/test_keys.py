"""API keys: their file, and a running service that notices its changes."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sojourn.core.errors import ConfigurationError
from sojourn.service.keyring import Keyring
from sojourn.service.keys import ApiKey, changing_keys, make_key, read_keys, rotate_key, take_apart
from sojourn.service.last_use import read_last_use
from tests.server import Server
from tests.service.backend import COMMAND, Answer, Backend, start
from tests.service.backend import make_key as make_key_by_program

NOW = 1_800_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def added(path: Path, name: str = "web") -> tuple[ApiKey, bytes]:
    """A new key in the file, and what a back end sends."""
    with changing_keys(path) as keys:
        key, text = make_key(name, ["sessions"], NOW, os.urandom)
        keys.append(key)
    return key, b"Bearer " + text.encode()


# The file


def test_the_file_holds_hashes_for_its_owner_alone(path: Path) -> None:
    key, sent = added(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert sent[-64:] not in path.read_bytes()
    assert read_keys(path) == (key,)
    assert take_apart(sent[7:]) == (key.id, key.hash)


def test_a_mode_that_was_chosen_stays(path: Path) -> None:
    added(path)
    path.chmod(0o640)
    added(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert len(read_keys(path)) == 2
    assert [*path.parent.iterdir()] == [path]


def test_what_changes_nothing_writes_nothing(path: Path) -> None:
    with changing_keys(path):
        pass
    assert not path.exists()


def test_changes_at_once_all_count(path: Path) -> None:
    threads = [threading.Thread(target=added, args=(path,)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(read_keys(path)) == 20


@pytest.mark.parametrize("text", ["", "{", "[]", '{"keys": 1}', '{"keys": [{"id": "x"}]}', "\x00"])
def test_a_file_of_something_else_is_refused(path: Path, text: str) -> None:
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="is no file of API keys"):
        read_keys(path)


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be written: No such file"):
        added(tmp_path / "nowhere" / "keys.json")


# The keyring


def refused(ring: Keyring, sent: bytes) -> str | None:
    problem = ring.refusal(sent, "sessions")
    return problem.code if problem else None


def test_an_old_secret_is_good_for_its_grace(path: Path) -> None:
    now = NOW
    key, old = added(path)
    with changing_keys(path) as keys:
        keys[0], text = rotate_key(key, 60, now, os.urandom)
    new = b"Bearer " + text.encode()
    ring = Keyring(path, clock=lambda: now)

    assert (refused(ring, new), refused(ring, old)) == (None, None)
    now += 60_000
    assert (refused(ring, new), refused(ring, old)) == (None, "api-key-refused")


def test_without_a_grace_the_old_secret_is_over(path: Path) -> None:
    key, old = added(path)
    with changing_keys(path) as keys:
        keys[0], _ = rotate_key(key, 0, NOW, os.urandom)

    assert refused(Keyring(path), old) == "api-key-refused"


def test_without_a_file_every_key_is_refused(path: Path) -> None:
    assert refused(Keyring(path), added(path.with_name("other.json"))[1]) == "api-key-refused"


@pytest.mark.parametrize("word", [b"Bearer ", b"bearer ", b"BEARER "])
def test_the_scheme_has_no_case(path: Path, word: bytes) -> None:
    _, sent = added(path)
    assert refused(Keyring(path), word + sent[7:]) is None


def test_a_ring_keeps_what_was_good_alone_and_until_its_file_changes(path: Path) -> None:
    key, good = added(path)
    ring = Keyring(path)
    for secret in range(1000):
        assert refused(ring, b"Bearer sjk1-%b-%064x" % (key.id.encode(), secret)) == "api-key-refused"

    assert (refused(ring, good), list(ring._shown)) == (None, [good])
    with changing_keys(path) as keys:
        keys.clear()
    ring._check()
    assert (refused(ring, good), ring._shown) == ("api-key-refused", {})


# When a key was used last


def test_the_use_of_a_key_is_noted_to_the_minute(path: Path) -> None:
    now = NOW
    (first, sent), (second, _) = added(path), added(path, "office")
    ring = Keyring(path, clock=lambda: now)
    assert read_last_use(path) == {}

    assert refused(ring, sent) is None
    assert read_last_use(path) == {first.id: NOW}
    now += 59_999
    refused(ring, sent)
    assert read_last_use(path) == {first.id: NOW}
    now += 1
    refused(ring, sent)
    assert read_last_use(path) == {first.id: NOW + 60_000}
    assert second.id not in read_last_use(path)


def test_a_thousand_requests_write_once(path: Path) -> None:
    _, sent = added(path)
    ring = Keyring(path, clock=lambda: NOW)
    refused(ring, sent)
    used = path.with_name("keys.json.used")
    os.utime(used, (1, 1))
    for _ in range(1000):
        refused(ring, sent)

    assert used.stat().st_mtime == 1


def test_a_key_that_is_refused_was_not_used(path: Path) -> None:
    _, sent = added(path)
    ring = Keyring(path)
    other = b"0" if sent[-1:] != b"0" else b"1"

    assert refused(ring, sent[:-1] + other) == "api-key-refused"
    assert not path.with_name("keys.json.used").exists()


def test_processes_note_beside_one_another_and_forget_revoked_keys(path: Path) -> None:
    now = NOW
    (first, one), (second, two) = added(path), added(path, "office")
    rings = [Keyring(path, clock=lambda: now), Keyring(path, clock=lambda: now)]
    refused(rings[0], one)
    now += 1000
    refused(rings[1], two)
    assert read_last_use(path) == {first.id: NOW, second.id: NOW + 1000}

    with changing_keys(path) as keys:
        keys.remove(first)
    now += 60_000
    refused(Keyring(path, clock=lambda: now), two)
    assert read_last_use(path) == {second.id: NOW + 61_000}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": "b"}', '{"deadbeef": 1}' + "x" * 100])
def test_a_broken_file_of_uses_is_written_anew(path: Path, text: str) -> None:
    key, sent = added(path)
    path.with_name("keys.json.used").write_text(text)
    assert read_last_use(path) == {}

    refused(Keyring(path, clock=lambda: NOW), sent)
    assert read_last_use(path) == {key.id: NOW}


def test_where_uses_cannot_be_written_requests_are_served_and_it_is_told_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = NOW
    _, sent = added(path)
    path.with_name("keys.json.used").mkdir()
    ring = Keyring(path, clock=lambda: now)
    for _ in range(3):
        assert refused(ring, sent) is None
        now += 60_000

    told = [record.message for record in caplog.records if "last used" in record.message]
    assert told == [f"When keys were last used is not kept: {path}.used cannot be written: Is a directory"]


# A running service


def test_a_key_that_is_revoked_through_a_link_is_refused(path: Path, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    link = tmp_path / "etc" / "keys.json"
    link.symlink_to(path)
    text = make_key_by_program(link, "sessions")
    with start(tmp_path, "--store", "memory:", "--keys", str(path)) as server, Backend(server.port, text) as backend:
        soon(backend, 200)
        subprocess.run([*COMMAND, "keys", "revoke", text[5:13], "--keys", link], check=True)
        assert soon(backend, 401).code == "api-key-refused"


def test_the_list_says_when_a_running_service_took_a_key(running: Server, path: Path) -> None:
    text, unused = make_key_by_program(path, "sessions"), make_key_by_program(path, "sessions")
    before = time.time_ns() // 1_000_000
    with Backend(running.port, text) as backend:
        soon(backend, 200)

    listed = subprocess.run([*COMMAND, "keys", "list", "--json", "--keys", path], capture_output=True, check=True)
    used = {key["id"]: key["last_used_at"] for key in json.loads(listed.stdout)["keys"]}
    assert before <= used[text[5:13]] <= time.time_ns() // 1_000_000
    assert used[unused[5:13]] is None


@pytest.fixture
def running(path: Path, tmp_path: Path) -> Iterator[Server]:
    with start(tmp_path, "--store", "memory:", "--keys", str(path)) as server:
        yield server


def soon(backend: Backend, status: int) -> Answer:
    """The answer, once it is `status`: within a second, or later on a busy machine."""
    deadline = time.monotonic() + 20
    while True:
        answer = backend.request("POST", "/v1/open", {"token": ""})
        if answer.status == status:
            return answer
        assert time.monotonic() < deadline, answer
        time.sleep(0.02)


def test_a_running_service_notices_within_a_second(running: Server, path: Path) -> None:
    text = make_key_by_program(path, "sessions")
    with Backend(running.port, text) as backend:
        soon(backend, 200)
        with changing_keys(path) as keys:
            before = keys.pop()
        assert soon(backend, 401).code == "api-key-refused"
        with changing_keys(path) as keys:
            keys.append(before)
        soon(backend, 200)
        path.unlink()
        soon(backend, 401)


def test_a_broken_file_takes_no_key_away(running: Server, path: Path) -> None:
    with Backend(running.port, make_key_by_program(path, "sessions")) as backend:
        soon(backend, 200)
        path.write_text("{")
        deadline = time.monotonic() + 30
        while "The API keys stay as they were" not in running.output():
            assert backend.request("POST", "/v1/open", {"token": ""}).status == 200
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert backend.request("POST", "/v1/open", {"token": ""}).status == 200
