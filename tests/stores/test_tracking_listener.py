"""Listeners: what is concluded from what Redis says. Driven by hand, with answers as Redis gives them."""

from __future__ import annotations

import time
from collections.abc import Mapping

import hiredis
import pytest

from sojourn.stores.redis import listener
from sojourn.stores.redis.calls import Address, pack
from sojourn.stores.redis.key_names import session_key
from sojourn.stores.redis.listener import Listener, ListenerGroup, Talk, TrackingError
from tests.stores.recording_watcher import RecordingWatcher

HERE: Address = ("10.0.0.1", 6379)
THERE: Address = ("10.0.0.2", 6379)
INTERVAL = 0.001
HELLO = pack("HELLO")
INFO = pack("CLUSTER", "INFO")
BEAT = pack("WAIT", "0", "0")
TRACKING = pack("CLIENT", "TRACKING", "ON", "BCAST", "PREFIX", "sj:")
ALONE: dict[bytes, object] = {HELLO: {b"mode": b"standalone", b"role": b"master"}, TRACKING: b"OK", BEAT: 0}


def info(**changed: object) -> bytes:
    lines = {
        "state": "ok",
        "slots_assigned": 16384,
        "slots_fail": 0,
        "known_nodes": 6,
        "size": 3,
        "current_epoch": 6,
        "my_epoch": 1,
        "stats_messages_sent": 44,
        **changed,
    }
    return "".join(f"cluster_{name}:{value}\r\n" for name, value in lines.items()).encode()


def node(endpoint: str | None, port: int = 6379, role: str = "master", health: str = "online") -> dict[bytes, object]:
    place = endpoint and endpoint.encode()
    return {
        b"endpoint": place,
        b"port": port,
        b"tls-port": port + 1,
        b"role": role.encode(),
        b"health": health.encode(),
    }


def clustered(*nodes: Mapping[bytes, object]) -> dict[bytes, object]:
    return {
        HELLO: {b"mode": b"cluster", b"role": b"master"},
        TRACKING: b"OK",
        BEAT: 0,
        INFO: info(),
        pack("CLUSTER", "SHARDS"): [{b"slots": [], b"nodes": list(nodes)}],
    }


class Server:
    """What is at the other end: it has an answer to each command, and is silent where it has none."""

    def __init__(self, answers: Mapping[bytes, object]) -> None:
        self.answers = dict(answers)
        self.pushes: list[object] = []
        self._heard: object = None
        self._asked: bytes | None = None

    def talk(self, talk: Talk[None], *, until: bytes | None = None) -> None:
        """Answer to the end, or until something is asked."""
        while True:
            heard, self._heard = self._heard, None
            try:
                step = talk.send(heard)
            except StopIteration:
                return
            if isinstance(step, bytes):
                self._asked = step
                if step == until:
                    return
            elif self.pushes:
                self._heard = self.pushes.pop(0)
            elif self._asked is not None:
                self._heard, self._asked = self.answers.get(self._asked), None


@pytest.fixture
def watcher() -> RecordingWatcher:
    return RecordingWatcher()


def attached(watcher: RecordingWatcher, server: Server, *, tls: bool = False) -> tuple[ListenerGroup, Listener]:
    group = ListenerGroup(watcher, INTERVAL, [HERE])
    one = group.add(HERE, tls)
    server.talk(one.attach())
    return group, one


def test_an_answer_confirms_the_beat_before_its_own(watcher: RecordingWatcher) -> None:
    """The server may send an answer before it tells of writes of the same turn of its loop."""
    server = Server(ALONE)
    group, one = attached(watcher, server)
    group.begin()
    listening = one.listen()
    sent = []
    for _ in range(4):
        server.talk(listening, until=BEAT)
        sent.append(time.monotonic())
        group.confirm(None, sent[-1])

    assert watcher.losses == 1
    assert sent[0] < watcher.until <= sent[1], "the third was answered"


def test_until_all_have_confirmed_nothing_is(watcher: RecordingWatcher) -> None:
    group = ListenerGroup(watcher, INTERVAL, [HERE, THERE])
    for address in (HERE, THERE):
        Server(ALONE).talk(group.add(address, tls=False).attach())
    group.begin()
    began = watcher.until
    group.confirm(HERE, began + 2e-6)
    group.confirm(None, began + 3e-6)
    assert watcher.until == began
    group.confirm(THERE, began + 1e-6)

    assert watcher.until == began + 1e-6


def test_what_comes_between_question_and_answer_is_taken(watcher: RecordingWatcher) -> None:
    server = Server(ALONE)
    server.pushes = [
        hiredis.PushNotification([b"invalidate", [session_key("a" * 32).encode(), b"sj:{abc}:ada", b"sj:"]]),
        hiredis.PushNotification([b"something new", b""]),
    ]
    attached(watcher, server)

    assert watcher.ids == ["a" * 32]
    assert server.pushes == []


def test_who_leads_in_a_cluster_is_listened_to(watcher: RecordingWatcher) -> None:
    """A primary without slots too; one that failed has none any more. No name means: where you found me."""
    nodes = [node(None), node("b"), node("b", 6380, "replica"), node("c", health="fail"), node("d", health="loading")]
    group, _ = attached(watcher, Server(clustered(*nodes)))

    assert group.missing == [("b", 6379), ("d", 6379)]
    group, _ = attached(watcher, Server(clustered(*nodes)), tls=True)
    assert group.missing == [(HERE[0], 6380), ("b", 6380), ("d", 6380)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("current_epoch", 7),
        ("known_nodes", 7),
        ("size", 2),
        ("slots_assigned", 1),
        ("slots_fail", 1),
        ("state", "fail"),
    ],
)
def test_a_cluster_that_changed_is_looked_at_anew(watcher: RecordingWatcher, name: str, value: object) -> None:
    server = Server(clustered(node(*HERE)))
    _, one = attached(watcher, server)
    listening = one.listen()
    server.talk(listening, until=BEAT)
    server.answers[INFO] = info(stats_messages_sent=99, my_epoch=2)
    server.talk(listening, until=BEAT)
    server.answers[INFO] = info(**{name: value})
    with pytest.raises(TrackingError):
        server.talk(listening, until=BEAT)


def test_a_replica_is_not_listened_to(watcher: RecordingWatcher) -> None:
    with pytest.raises(TrackingError, match="replica"):
        attached(watcher, Server({**ALONE, HELLO: {b"mode": b"standalone", b"role": b"replica"}}))


def test_a_server_that_is_silent_is_given_up(watcher: RecordingWatcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "PATIENCE", 0.01)
    with pytest.raises(TrackingError, match="silent"):
        attached(watcher, Server({}))
