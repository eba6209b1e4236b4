"""Webhooks: what is in the trail is delivered at least once, in each session's order, whoever is killed when."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sojourn.audit import AuditFile, Webhook
from sojourn.audit.signature import headers_of, read_secret
from sojourn.core.errors import ConfigurationError
from sojourn.core.events import Ended
from tests.audit.receiver import SECRET, receiving
from tests.servers.port import find_port
from tests.servers.waiting import wait_until
from tests.test_docs import ROOT, blocks

NOW = 1_800_000_000_000

# A program that ends sessions, tells that they are in its trail, and is killed before anything can be sent.
KILLED = """
import os, signal, sys
from sojourn import SessionManager, open_store
from sojourn.audit import AuditFile, Webhook
path, url, secret, outbox = sys.argv[1:]
hook = Webhook(path, url, secret, outbox=outbox)
hook.start()
manager = SessionManager(open_store("memory:"), on_event=AuditFile(path))
for _ in range(3):
    session = manager.anonymous()
    session.login("ada")
    manager.commit(session)
    manager.revoke(session.id)
    print(session.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def ended(id: str, number: int = 0) -> Ended:
    """An end."""
    return Ended(at=NOW + number, id=id * 32, user_id="ada", reason="revoked", by="user")


@contextmanager
def sending(path: Path, url: str) -> Iterator[Webhook]:
    """A webhook that sends."""
    hook = Webhook(path, url, SECRET, outbox=path.with_name("outbox.db"))
    hook.start()
    try:
        yield hook
    finally:
        hook.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the trail is."""
    return tmp_path / "audit.jsonl"


def test_a_message_is_signed_as_the_specification_has_it() -> None:
    # The example of the specification's own repository.
    secret = read_secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = headers_of("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}', secret)

    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_an_entry_is_sent_once_and_verified_by_who_receives_it(path: Path) -> None:
    trail = AuditFile(path)
    trail(ended("0"))  # before there was an outbox
    with receiving() as receiver, sending(path, receiver.url):
        trail(ended("a"))
        trail(ended("b"))
        (first, told), (second, _) = receiver.wait_for(2)

    assert told["type"] == "sojourn.ended"
    assert (told["timestamp"], told["data"]["session_id"], told["data"]["n"]) == (told["data"]["time"], "a" * 32, 2)
    assert first != second
    assert len(receiver.got) == 2


def test_the_piece_of_the_page_sends_what_is_in_the_trail(path: Path) -> None:
    (block,) = blocks(ROOT / "docs" / "audit.md", "py")
    named: dict[str, Any] = {"secret": SECRET}
    with receiving() as receiver:
        code = block.code.replace("/var/log/sojourn", str(path.parent)).replace("/var/lib/sojourn", str(path.parent))
        exec(code.replace("https://siem.example.com/sojourn", receiver.url), named)
        AuditFile(path)(ended("a"))
        ((_, told),) = receiver.wait_for(1)
        named["hook"].close()

    assert told["data"]["session_id"] == "a" * 32


def test_what_was_written_by_a_process_that_was_killed_is_delivered_by_the_next_one(path: Path) -> None:
    port = find_port()
    command: list[str | Path] = [
        sys.executable,
        "-c",
        KILLED,
        path,
        f"http://127.0.0.1:{port}/",
        SECRET,
        path.with_name("outbox.db"),
    ]
    killed = subprocess.run(command, capture_output=True, text=True, check=False)
    ids = killed.stdout.split()
    assert (killed.returncode, len(ids)) == (-9, 3)

    with receiving(port) as receiver, sending(path, receiver.url):
        got = receiver.wait_for(6)
    for id in ids:
        told = {key: data["data"]["what"] for key, data in got if data["data"]["session_id"] == id}
        assert list(told.values()) == ["logged_in", "ended"]


def test_one_that_was_killed_after_it_sent_sends_the_same_message_again(path: Path, tmp_path: Path) -> None:
    outbox = path.with_name("outbox.db")
    with receiving() as receiver:
        program = KILLED.replace("os.kill(", "import time; time.sleep(60); os.kill(")
        process = subprocess.Popen(
            [sys.executable, "-c", program, path, receiver.url, SECRET, outbox], stdout=subprocess.DEVNULL
        )
        # It is killed while the answer to what it sent is under way: it never learns that the message was taken.
        receiver.answer = lambda _: process.kill() or (process.wait() and 204) or 204  # type: ignore[func-returns-value]
        (first, _) = receiver.wait_for(1)[0]
        process.wait()
        receiver.answer = lambda _: 204
        with sending(path, receiver.url):
            got = receiver.wait_for(1 + 1)
    assert [id for id, _ in got] == [first, first]


def test_a_refused_message_is_sent_again_before_the_next_of_its_session_and_holds_up_no_other(path: Path) -> None:
    trail, refused = AuditFile(path), 0
    with receiving() as receiver, sending(path, receiver.url):

        def answer(data: dict[str, Any]) -> int:
            nonlocal refused
            is_first = data["data"]["session_id"] == "a" * 32 and refused < 1
            refused += is_first
            return 503 if is_first else 200

        receiver.answer = answer
        for number, id in enumerate("aab"):
            trail(ended(id, number))
        got = receiver.wait_for(4)

    order = [(data["data"]["session_id"][0], data["data"]["n"]) for _, data in got]
    assert order == [("a", 1), ("b", 3), ("a", 1), ("a", 2)]


def test_a_message_that_nobody_takes_for_three_days_is_given_up_and_the_next_one_is_sent(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    trail, outbox = AuditFile(path), path.with_name("outbox.db")
    long_ago = int(time.time() * 1000) - 3 * 86_400_000 - 1
    away = Webhook(path, f"http://127.0.0.1:{find_port()}/", SECRET, outbox=outbox, clock=lambda: long_ago)
    trail(ended("a"))
    trail(ended("a", 1))
    away.start()
    wait_until(lambda: "is sent again later: ConnectionRefusedError" in caplog.text, "a refusal")
    away.close()
    assert "given up" not in caplog.text
    with receiving() as receiver:
        receiver.answer = lambda data: 503 if data["data"]["n"] == 1 else 204
        with sending(path, receiver.url):
            got = receiver.wait_for(2)

    assert [data["data"]["n"] for _, data in got] == [1, 2]
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert errors == [f"webhook {got[0][0]} is given up after 2 trials: answered with 503"]


def test_the_file_may_be_rotated_while_nobody_sends(path: Path) -> None:
    trail = AuditFile(path)
    with receiving() as receiver:
        with sending(path, receiver.url):
            trail(ended("a"))
            receiver.wait_for(1)
        trail(ended("b"))
        path.rename(path.with_name("audit.jsonl.1"))
        trail(ended("c"))
        with sending(path, receiver.url):
            got = receiver.wait_for(3)

    assert [data["data"]["n"] for _, data in got] == [1, 2, 3]


@pytest.mark.parametrize(
    ("url", "secret", "said"),
    [
        ("http://siem.example.com/", SECRET, "https"),
        ("ftp://127.0.0.1/", SECRET, "https"),
        ("https:///", SECRET, "https"),
        ("https://siem.example.com/", "whsec_c2hvcnQ=", "24 to 64"),
        ("https://siem.example.com/", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_"),
    ],
)
def test_a_webhook_that_would_tell_others_is_refused(path: Path, url: str, secret: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match=said) as refused:
        Webhook(path, url, secret, outbox=path.with_name("outbox.db"))

    assert secret not in str(refused.value)
