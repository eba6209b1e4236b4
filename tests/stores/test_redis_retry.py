"""Retry: what is sent again, where to, and what is given up, by what came back. No server, no clock."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest
from redis import exceptions

from sojourn import StoreUnavailable
from sojourn.stores.redis import scripts
from sojourn.stores.redis.calls import Address, Call, command, run
from sojourn.stores.redis.retry import AnswerLost, NotReplicated, NotSent, PendingCalls
from sojourn.stores.redis.topology import Cluster, Sentinels, Single

HERE, THERE = ("here", 1), ("there", 2)
READ = command("sj:{abc}k", "GET", "sj:{abc}k")
WRITE = run(scripts.COMMIT, ["sj:{abc}k"], 1, repeatable=False)
TOUCH = run(scripts.COMMIT, ["sj:{abc}k"], 1, repeatable=True, durable=False)
END = run(scripts.END, ["sj:{abc}k"], 1, repeatable=True)


def pending(*calls: Call) -> PendingCalls:
    return PendingCalls(calls, Single(HERE), give_up=1.0, timeout=1.0)


def refusal(kind: type[exceptions.RedisError], code: str, text: str = "") -> Exception:
    return kind(text, status_code=code)


@pytest.mark.parametrize("call", [READ, WRITE, TOUCH, END])
@pytest.mark.parametrize(
    "reply",
    [
        NotSent(),
        refusal(exceptions.BusyLoadingError, "LOADING"),
        refusal(exceptions.ReadOnlyError, "READONLY"),
        refusal(exceptions.MasterDownError, "MASTERDOWN"),
        refusal(exceptions.ClusterDownError, "CLUSTERDOWN"),
        refusal(exceptions.TryAgainError, "TRYAGAIN"),
        exceptions.ResponseError("BUSY Redis is busy running a script."),
    ],
    ids=lambda reply: type(reply).__name__,
)
def test_what_was_surely_not_made_is_sent_again_after_a_pause(call: Call, reply: Exception) -> None:
    under_way = pending(call)
    under_way.take([0], [reply])
    under_way.next_round(0.0)

    assert not under_way.done
    assert under_way.pause > 0
    assert under_way.needs_discovery
    assert under_way.batches() == {HERE: [0]}
    under_way.take([0], [b"answer"])
    assert (under_way.done, under_way.answers) == (True, [b"answer"])


@pytest.mark.parametrize("call", [READ, TOUCH, END])
def test_what_does_no_harm_twice_is_sent_again_when_it_was_lost(call: Call) -> None:
    under_way = pending(call)
    under_way.take([0], [AnswerLost()])
    under_way.next_round(0.0)

    assert under_way.batches() == {HERE: [0]}


def test_a_write_that_was_lost_is_given_up_and_said_to_be_in_doubt() -> None:
    with pytest.raises(StoreUnavailable, match="may be made, or not"):
        pending(WRITE).take([0], [AnswerLost()])


@pytest.mark.parametrize(
    ("call", "reply", "told"),
    [
        (WRITE, NotSent(), "nothing was written"),
        (READ, AnswerLost(), "nothing was written"),
        (END, AnswerLost(), "may be made, or not"),
    ],
)
def test_when_the_time_is_up_it_is_said_what_was_written(call: Call, reply: Exception, told: str) -> None:
    under_way = pending(call)
    under_way.take([0], [reply])
    with pytest.raises(StoreUnavailable, match=told):
        under_way.next_round(1.0)


def test_pauses_grow_and_stay_short() -> None:
    under_way, pauses = pending(READ), []
    for _ in range(8):
        under_way.take([0], [NotSent()])
        under_way.next_round(0.0)
        pauses.append(under_way.pause)

    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.01, 0.25)


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (refusal(exceptions.OutOfMemoryError, "OOM"), "out of memory"),
        (refusal(exceptions.NoPermissionError, "NOPERM"), "ACL"),
        (exceptions.ResponseError("MISCONF Redis is configured to save"), "snapshot"),
        (exceptions.ResponseError("WHATEVER else"), r"refused \(WHATEVER\): WHATEVER else\."),
        (exceptions.ResponseError("ERR unknown command 'EVALSHA', with args beginning with: 'value'"), "a Sentinel"),
        (exceptions.ResponseError("ERR unknown command 'FOO', with args beginning with: 'value'"), r"command 'FOO'\."),
        (NotReplicated("0 of 1 replicas confirmed it"), "failover may undo it"),
    ],
)
def test_a_refusal_that_waiting_does_not_mend_is_told_at_once(reply: Exception, told: str) -> None:
    with pytest.raises(StoreUnavailable, match=told):
        pending(WRITE).take([0], [reply])


def test_a_script_that_is_not_known_is_sent_whole_and_at_once() -> None:
    under_way = pending(WRITE)
    under_way.take([0], [refusal(exceptions.NoScriptError, "NOSCRIPT")])
    under_way.next_round(0.0)

    packed, passed_over, durable = under_way.packed(0)
    assert scripts.COMMIT.text.encode() in packed
    assert (passed_over, durable, under_way.pause) == (0, True, 0.0)


def test_a_slot_that_moved_is_asked_for_at_its_new_place() -> None:
    cluster = Cluster([HERE])
    discovery = cluster.discover()
    next(discovery)
    with pytest.raises(StopIteration):
        discovery.send([[0, 16383, [b"here", 1, b"id"]]])
    under_way = PendingCalls([WRITE, READ], cluster, 1.0, 1.0)
    assert under_way.batches() == {HERE: [0, 1]}
    slot = 7638  # of {abc}
    moved, ask = (kind(f"{slot} there:2") for kind in (exceptions.MovedError, exceptions.AskError))
    under_way.take([0, 1], [ask, b"read"])
    under_way.next_round(0.0)

    assert under_way.batches() == {THERE: [0]}
    assert under_way.packed(0)[0].startswith(b"*1\r\n$6\r\nASKING")
    assert under_way.packed(0)[1] == 1
    under_way.take([0], [moved])
    under_way.next_round(0.0)
    assert under_way.batches() == {THERE: [0]}
    assert under_way.packed(0)[1] == 0
    assert cluster.address(WRITE.key) == THERE


def test_calls_of_a_cluster_that_is_not_known_yet_wait_for_the_discovery() -> None:
    under_way = PendingCalls([READ], Cluster([HERE]), 1.0, 1.0)

    assert under_way.batches() == {}
    assert under_way.needs_discovery


def test_nodes_that_do_not_answer_are_passed_over() -> None:
    cluster = Cluster([HERE, THERE])
    discovery = cluster.discover()
    asked: list[Any] = [next(discovery).address, discovery.send(NotSent()).address]
    with pytest.raises(StopIteration):
        discovery.send([[0, 16383, [b"", 2, b"id"], [b"replica", 3, b"id"]]])

    assert asked == [HERE, THERE]
    assert cluster.primaries() == [THERE]
    lost = cluster.discover()
    left = [next(lost).address, lost.send(NotSent()).address, lost.send(NotSent()).address]
    assert left == [THERE, HERE, ("replica", 3)]
    with pytest.raises(StoreUnavailable, match="No node of the Redis Cluster"):
        lost.send(NotSent())


def told_by_sentinels(topology: Sentinels, words: dict[Address, tuple[Address, int] | None]) -> list[Address]:
    """Who were asked, in a discovery in which each Sentinel has these words, and every server calls itself primary."""
    asked: list[Address] = []
    discovery = topology.discover()
    answer: object = None
    with suppress(StopIteration):
        while True:
            question = discovery.send(answer)
            asked.append(question.address)
            word = words.get(question.address)
            if not question.to_sentinel:
                answer = [b"master", 0, []]
            elif word is None:
                answer = NotSent()
            elif b"GET-MASTER" in question.packed:
                answer = [word[0][0].encode(), str(word[0][1]).encode()]
            else:
                answer = [b"name", b"x", b"config-epoch", str(word[1]).encode()]
    return asked


OLD, NEW = ("old", 1), ("new", 2)
FIRST, SECOND, THIRD = ("s", 1), ("s", 2), ("s", 3)


def test_of_what_sentinels_name_the_primary_of_the_latest_failover_is_believed() -> None:
    """Some hear of it later, and a primary that is back from the dead calls itself one meanwhile."""
    topology = Sentinels([FIRST, SECOND, THIRD], "x")
    told_by_sentinels(topology, {FIRST: (OLD, 0), SECOND: (OLD, 0), THIRD: (NEW, 1)})

    assert topology.primaries() == [NEW]


def test_sentinels_that_disagree_about_one_failover_are_asked_again() -> None:
    topology = Sentinels([FIRST, SECOND], "x")
    with pytest.raises(StoreUnavailable):
        told_by_sentinels(topology, {FIRST: (OLD, 1), SECOND: (NEW, 1)})

    assert topology.primaries() == []


def test_a_primary_that_answered_until_now_is_confirmed_by_any_sentinel() -> None:
    topology = Sentinels([FIRST, SECOND, THIRD], "x")
    words: dict[Address, tuple[Address, int] | None] = dict.fromkeys([FIRST, SECOND, THIRD], (OLD, 0))
    told_by_sentinels(topology, words)

    assert set(told_by_sentinels(topology, words)) == {FIRST, OLD}
    topology.doubt()
    assert set(told_by_sentinels(topology, words)) == {FIRST, SECOND, THIRD, OLD}


def test_a_primary_that_its_replicas_left_is_asked_for_again() -> None:
    """The network parted it from all others, and they may have another one: it goes on answering."""
    topology = Sentinels([FIRST], "x")
    told_by_sentinels(topology, {FIRST: (OLD, 0)})
    under_way = PendingCalls([END], topology, give_up=1.0, timeout=1.0)
    assert under_way.batches() == {OLD: [0]}
    with pytest.raises(StoreUnavailable, match="made the write"):
        under_way.take([0], [NotReplicated("0 of 1 replicas confirmed it")])

    assert topology.primaries() == []


def test_a_sentinel_that_was_silent_is_asked_last_and_not_missed() -> None:
    """A silent one costs a part of the timeout."""
    topology = Sentinels([FIRST, SECOND, THIRD], "x")
    words: dict[Address, tuple[Address, int] | None] = {FIRST: None, SECOND: (OLD, 0), THIRD: (OLD, 0)}
    told_by_sentinels(topology, words)
    topology.doubt()

    assert set(told_by_sentinels(topology, words)) == {SECOND, THIRD, OLD}
