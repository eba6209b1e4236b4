"""Keys that are refused, and a service that is away: what a remote manager says, and when."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from sojourn.core.errors import ConfigurationError, StoreUnavailable
from sojourn.remote import AsyncRemoteSessionManager, RemoteSessionManager
from tests.servers.port import find_port

from .service import KINDS, SOJOURN, Service, begin, command, make_key, manager_of

kinds = pytest.mark.parametrize("kind", KINDS)
TOKEN = f"sj1-{'0' * 32}-{'1' * 64}"
WRONG = f"sjk1-{'0' * 8}-{'1' * 64}"


# Keys


@pytest.mark.parametrize("key", ["", "secret", TOKEN, f"sjk1-{'0' * 8}-{'z' * 64}"])
def test_what_is_no_key_is_refused_at_once_and_not_repeated(key: str) -> None:
    with pytest.raises(ConfigurationError, match="sojourn keys make") as refused:
        RemoteSessionManager("http://localhost:8100", key)

    assert not key or key not in str(refused.value)


@pytest.mark.parametrize(
    "service", ["localhost:8100", "ftp://x", "http://", "unix://x", "http://me:pw@x", "http://x:y"]
)
def test_what_is_no_address_is_refused_at_once(service: str) -> None:
    with pytest.raises(ConfigurationError, match="http://host:port") as refused:
        RemoteSessionManager(service, WRONG)

    assert "pw" not in str(refused.value)


@kinds
def test_a_wrong_key_is_a_mistake_of_ours(kind: str, service: Service) -> None:
    with (
        manager_of(kind, service.url, WRONG) as manager,
        pytest.raises(ConfigurationError, match=r"00000000.*api-key-refused") as refused,
    ):
        manager.open(TOKEN)

    assert "1" * 64 not in str(refused.value)


@kinds
def test_a_revoked_key_opens_nothing_any_more(kind: str, service: Service) -> None:
    key = make_key(service.keys)
    with manager_of(kind, service.url, key) as manager:
        begin_when_known(manager)
        revoke = [SOJOURN, "keys", "revoke", "--keys", str(service.keys), key[5:13]]
        subprocess.run(revoke, check=True, capture_output=True)
        deadline = time.monotonic() + 30
        with pytest.raises(ConfigurationError, match="api-key-refused"):  # noqa: PT012  # within a second or so
            while time.monotonic() < deadline:
                manager.open(TOKEN)
                time.sleep(0.05)


@kinds
def test_a_key_without_the_scope_may_not_list_or_revoke(kind: str, service: Service) -> None:
    with manager_of(kind, service.url, make_key(service.keys, "sessions")) as manager:
        begin_when_known(manager)
        for ask in (lambda: manager.list("ada"), lambda: manager.revoke("0" * 32), lambda: manager.revoke_all("ada")):
            with pytest.raises(ConfigurationError, match=r"api-key-scope.*admin"):
                ask()


def begin_when_known(manager: RemoteSessionManager) -> None:
    """A running service notices a new key within a second."""
    deadline = time.monotonic() + 30
    while True:
        try:
            begin(manager)
        except ConfigurationError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


# Away


@kinds
def test_nobody_there_is_an_outage(kind: str) -> None:
    with (
        manager_of(kind, f"http://localhost:{find_port()}", WRONG) as manager,
        pytest.raises(StoreUnavailable, match="cannot be reached") as away,
    ):
        manager.open(TOKEN)

    assert isinstance(away.value.__cause__, OSError)
    assert TOKEN not in str(away.value)


@kinds
def test_no_socket_there_is_an_outage(kind: str, tmp_path: Path) -> None:
    with (
        manager_of(kind, f"unix://{tmp_path}/no.sock", WRONG) as manager,
        pytest.raises(StoreUnavailable, match="cannot be reached"),
    ):
        manager.open(TOKEN)


@kinds
@pytest.mark.parametrize("drip", [b"", b"HTTP/1.1 200 OK\r\n"], ids=["silent", "slow"])
def test_silence_is_an_outage_within_the_time_out(kind: str, drip: bytes) -> None:
    with answering(drip, hold=True) as url, manager_of(kind, url, WRONG, timeout=0.3) as manager:
        began = time.monotonic()
        with pytest.raises(StoreUnavailable, match=r"did not answer within 0\.3 s"):
            manager.open(TOKEN)

        assert time.monotonic() - began < 10


@kinds
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 5\r\n\r\nhello",
        b'HTTP/1.1 404 Not Found\r\ncontent-length: 13\r\n\r\n{"type":"url"}',
    ],
)
def test_what_is_no_session_service_s_answer_is_an_outage(kind: str, answer: bytes) -> None:
    with answering(answer) as url, manager_of(kind, url, WRONG) as manager, pytest.raises(StoreUnavailable):
        manager.open(TOKEN)


@contextmanager
def answering(answer: bytes, *, hold: bool = False) -> Iterator[str]:
    """A server that says `answer` to whoever comes, whatever is asked, and hangs up."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        done = threading.Event()

        def serve() -> None:
            while not done.is_set():
                try:
                    caller, _ = listener.accept()
                except OSError:
                    return
                with caller:
                    caller.recv(65_536)
                    caller.sendall(answer)
                    if hold:
                        done.wait(5)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            done.set()
            # It wakes one that waits in accept.
            with socket.create_connection(listener.getsockname()) as last:
                last.send(b"x")
            thread.join()


@kinds
def test_a_service_that_comes_back_is_used_again_by_itself(kind: str, tmp_path: Path) -> None:
    key = make_key(tmp_path / "keys.json")
    start = command(tmp_path, tmp_path / "keys.json", "", "--uds", str(tmp_path / "it.sock"))
    socket_path = tmp_path / "it.sock"
    with manager_of(kind, f"unix://{socket_path}", key) as manager:
        with started(start, socket_path, tmp_path / "log"):
            token = begin(manager, "ada", a=1)
            assert dict(manager.open(token)) == {"a": 1}
            slow = manager.open(token)
        slow["b"] = 2
        for _ in range(2):
            with pytest.raises(StoreUnavailable):
                manager.open(token)
        with pytest.raises(StoreUnavailable):
            manager.commit(slow)
        with started(start, socket_path, tmp_path / "log"):
            assert dict(manager.open(token)) == {"a": 1}
            manager.commit(slow)  # what it was to write was not forgotten
            assert dict(manager.open(token)) == {"a": 1, "b": 2}


@contextmanager
def started(start: list[str], socket_path: Path, log: Path) -> Iterator[None]:
    with log.open("ab") as output:
        process = subprocess.Popen(start, stdout=output, stderr=output)
        try:
            deadline = time.monotonic() + 20
            while not _answers(socket_path):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
            yield
        finally:
            process.terminate()
            process.wait(15)


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as caller:
        return caller.connect_ex(str(path)) == 0


# Connections


@kinds
def test_connections_are_kept(kind: str, service: Service, tmp_path: Path) -> None:
    """Through a door that counts who comes in."""
    with (
        counting(service.server.port) as door,
        manager_of(kind, f"http://127.0.0.1:{door.port}", service.key) as manager,
    ):
        token = begin(manager)
        for number in range(5):
            session = manager.open(token)
            session["n"] = number
            manager.commit(session)

        assert door.callers == 1


@kinds
def test_a_connection_that_was_closed_as_it_lay_idle_is_replaced(kind: str, service: Service) -> None:
    with (
        counting(service.server.port) as door,
        manager_of(kind, f"http://127.0.0.1:{door.port}", service.key) as manager,
    ):
        session = manager.anonymous()
        session["n"] = 0
        manager.commit(session)
        for _ in range(3):
            door.hang_up()
            session.increment("n")
            manager.commit(session)

        assert session["n"] == 3
        assert door.callers == 4


class Door:
    """Passes bytes on to a port."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.callers = 0
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def _start(self, target: object, *given: object) -> None:
        thread = threading.Thread(target=target, args=given)  # type: ignore[arg-type]  # both are its own
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        while True:
            caller, _ = self._listener.accept()
            if self.callers < 0:
                caller.close()
                return
            self.callers += 1
            inside = socket.create_connection(("localhost", self._to))
            self._open += [caller, inside]
            self._start(self._pass, caller, inside)
            self._start(self._pass, inside, caller)

    @staticmethod
    def _pass(one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(65_536):
                other.sendall(data)
        except OSError:
            return

    def hang_up(self) -> None:
        """Close every connection."""
        for end in self._open:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue
        for thread in self._threads[1:]:
            thread.join()
        for end in self._open:
            end.close()
        self._open.clear()

    def close(self) -> None:
        """Close the door too."""
        callers, self.callers = self.callers, -1
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._threads[0].join()
        self.hang_up()
        self._listener.close()
        self.callers = callers


@contextmanager
def counting(to: int) -> Iterator[Door]:
    door = Door(to)
    try:
        yield door
    finally:
        door.close()


def test_a_question_that_was_given_up_leaves_its_answer_to_nobody(service: Service) -> None:
    async def ask() -> None:
        manager = AsyncRemoteSessionManager(service.url, service.key)
        tokens = []
        for number in range(20):
            session = manager.anonymous()
            session["number"] = number
            tokens.append((await manager.commit(session)).token)
        for number, token in enumerate(tokens):
            assert token is not None
            given_up = asyncio.ensure_future(manager.open(token.reveal()))
            for _ in range(number):
                await asyncio.sleep(0)
            given_up.cancel()
            other = tokens[number - 1]
            assert other is not None
            assert (await manager.open(other.reveal()))["number"] == (number - 1) % 20
        await manager.close()

    asyncio.run(ask())


def test_a_forked_process_has_connections_of_its_own(service: Service) -> None:
    with manager_of("threads", service.url, service.key) as manager:
        token = begin(manager, a=1)
        child = os.fork()
        if child == 0:
            same = all(dict(manager.open(token)) == {"a": 1} for _ in range(20))
            os._exit(0 if same else 1)
        assert all(dict(manager.open(token)) == {"a": 1} for _ in range(20))
        assert os.waitpid(child, 0)[1] == 0
