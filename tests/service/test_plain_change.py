"""A change that is decided in a few steps comes to what an open and a commit make of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from sojourn import AsyncSessionManager, Policy
from sojourn.core.cookie import CookieOptions
from sojourn.core.errors import SojournError
from sojourn.core.record import Record
from sojourn.core.store import Applied, Commit, Refused
from sojourn.service.replay import is_plain
from sojourn.service.service_endpoints import ServiceEndpoints
from sojourn.stores.memory import AsyncMemoryStore
from sojourn.wire.requests import CommitRequest

SECOND = 1000
STEPS = 1500
KEYS = ("a", "b", "ä")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Store(AsyncMemoryStore):
    """It counts reads, and writes that were made. After a read somebody else may come in between."""

    def __init__(self) -> None:
        super().__init__()
        self.records: dict[str, Record] = self._store._records
        self.reads = self.writes = 0
        self.meanwhile: Callable[[], None] | None = None

    async def get(self, id: str) -> Record | None:
        self.reads += 1
        found = await super().get(id)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return found

    async def commit(self, commit: Commit) -> Applied | Refused:
        answer = await super().commit(commit)
        self.writes += isinstance(answer, Applied)
        return answer

    def write(self, data: dict[str, bytes]) -> None:
        """Somebody else changes every session."""
        for record in self.records.values():
            self.records[record.id] = replace(record, data={**record.data, **data}, version=record.version + 1)


class World:
    """A service's inside, by a clock and with secrets that are the same in another one."""

    def __init__(self, policy: Policy | None, *, reads_freely: bool) -> None:
        self.now = 1_800_000_000_000
        self.store = Store()
        self.events: list[object] = []
        self.manager = AsyncSessionManager(
            self.store, policy, on_event=self.events.append, clock=lambda: self.now, random=Random(1).randbytes
        )
        self.endpoints = ServiceEndpoints(self.manager, CookieOptions(), reads_freely=reads_freely)

    async def commit(self, **wanted: Any) -> Any:
        """What a commit is answered, or what it raises."""
        self.store.reads = 0
        try:
            answer = await self.endpoints.carry_out(msgspec.convert(wanted, CommitRequest))
        except SojournError as error:
            return type(error), str(error)
        return msgspec.json.decode(msgspec.json.encode(answer))


class Twins:
    """Two worlds, of which one takes the short way, where all goes the same."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.short, self.long = World(policy, reads_freely=True), World(policy, reads_freely=False)
        self.plain = 0
        self.token = ""

    async def begin(self, **data: Any) -> None:
        """A session with `data`."""
        changes = {key: {"value": value} for key, value in data.items()}
        await self.commit(token=None, action={"type": "start"}, changes=changes)

    async def commit(self, **wanted: Any) -> Any:
        """What both answer; the token goes on."""
        answer = await self.short.commit(**wanted)
        assert answer == await self.long.commit(**wanted), wanted
        assert self.short.store.records == self.long.store.records
        assert self.short.store.writes == self.long.store.writes
        assert self.short.events == self.long.events
        # What is no plain change is read twice.
        self.plain += is_plain(msgspec.convert(wanted, CommitRequest)) and self.short.store.reads == 1
        self.token = (isinstance(answer, dict) and answer["token"]) or self.token
        return answer

    async def change(self, base: Any, value: Any, key: str = "a", **more: Any) -> Any:
        """A commit that sets one key."""
        changes = {key: {"base": base, "value": value}}
        return await self.commit(token=self.token, status="active", changes=changes, **more)

    def meanwhile(self, does: Callable[[World], None]) -> None:
        """What happens in both between the read and the write of the next commit."""
        for world in (self.short, self.long):
            world.store.meanwhile = lambda world=world: does(world)

    def pass_time(self, milliseconds: int) -> None:
        """It is later in both."""
        self.short.now = self.long.now = self.long.now + milliseconds


@pytest.mark.parametrize("on_conflict", ["last_writer_wins", "raise"])
async def test_whatever_is_asked_the_short_way_and_the_long_one_come_to_the_same(on_conflict: Any) -> None:
    chance, status = Random(7), "none"
    twins = Twins(
        Policy(idle_timeout=600, absolute_timeout=7200, rotate_interval=300, max_bytes=500, on_conflict=on_conflict)
    )
    tokens = [""]
    for _ in range(STEPS):
        wanted = _wanted(chance, _data(twins.long, twins.token), twins.long.now)
        if status != "active" or chance.random() < 0.02:
            wanted |= {"action": chance.choice(ACTIONS)}
        told = status if chance.random() < 0.97 else chance.choice(("active", "ended"))
        token = chance.choice(tokens[-3:]) if chance.random() < 0.05 else twins.token
        answer = await twins.commit(token=token if status != "none" else None, status=told, **wanted)
        status = answer["status"] if isinstance(answer, dict) else "none"
        tokens.append(twins.token)
        twins.pass_time(chance.choice((0, 1, SECOND, 20 * SECOND)) if chance.random() < 0.99 else 700 * SECOND)

    assert STEPS / 5 < twins.plain < STEPS * 4 / 5


ACTIONS = (
    {"type": "start"},
    {"type": "login", "user_id": "ada"},
    {"type": "login", "user_id": "bob"},
    {"type": "regenerate"},
    {"type": "logout"},
)
DEEP: Any = 1
for _ in range(33):
    DEEP = [DEEP]


def _data(world: World, token: str) -> dict[str, Any]:
    record = world.store.records.get(token[4:36])
    return {} if record is None else {key: msgspec.json.decode(raw) for key, raw in record.data.items()}


def _wanted(chance: Random, data: dict[str, Any], now: int) -> dict[str, Any]:
    """Changes of what is there, seldom of what was, and whatever else a commit may have."""
    changes = {}
    for key in chance.sample(KEYS, chance.choice((0, 1, 1, 1, 2))):
        change = {"base": data[key]} if key in data else {}
        if chance.random() < 0.05:
            change = {"base": _value(chance)}
        changes[key] = change | ({"value": _value(chance)} if chance.random() < 0.9 else {})
    wanted: dict[str, Any] = {"changes": changes, "opened_at": now - chance.choice((0, 1, SECOND, -SECOND))}
    if chance.random() < 0.05:
        wanted |= {"opened_at": chance.choice((None, now - 100 * SECOND, now - 2 * 3_600_000))}
    if chance.random() < 0.1:
        wanted |= {"passive": True}
    if chance.random() < 0.05:
        wanted |= {"increments": {chance.choice(KEYS): 1}}
    return wanted


def _value(chance: Random) -> Any:
    usual = chance.choice((0, 1, 2, 1.0, True, "x", [1], {"b": [1, "ü"]}, None))
    return usual if chance.random() < 0.97 else chance.choice(("x" * 600, DEEP, 2**63))


async def test_somebody_who_wrote_the_same_between_the_read_and_the_write_is_merged_with() -> None:
    twins = Twins()
    await twins.begin(a=[1])
    twins.meanwhile(lambda world: world.store.write({"a": b"[1,2]"}))

    answer = await twins.change([1], [1, 3])

    assert answer["merged"] == ["a"]
    assert answer["session"]["data"] == {"a": [1, 2, 3]}


async def test_somebody_who_wrote_something_else_leaves_the_number_of_the_version_that_was_loaded() -> None:
    twins = Twins()
    await twins.begin(a=1)
    twins.meanwhile(lambda world: world.store.write({"b": b"2"}))

    answer = await twins.change(1, 3)

    assert twins.plain == 1
    assert answer["session"]["version"] == 1
    assert _data(twins.short, twins.token) == {"a": 3, "b": 2}


async def test_who_waits_for_news_of_the_session_has_them_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nobody looks for news who is not told that there are some.
    monkeypatch.setattr("sojourn.manager.followers.ROUND", 1000)
    twins = Twins()
    await twins.begin(a=1)
    follower = twins.short.manager._follow(twins.token[4:36], float("inf"))
    await follower.news()

    await twins.change(1, 2)

    async with asyncio.timeout(20):
        await follower.news()
    assert twins.plain == 1
    follower.leave()
    await twins.short.manager.close()


@pytest.mark.parametrize("bound", [{"key_thumbprint": "A" * 43}, {"key": "hardware"}, {"binding": "require"}])
async def test_a_session_that_needs_a_key_takes_the_long_way(bound: dict[str, Any]) -> None:
    free, twins = Twins(), Twins(Policy(binding=bound.get("binding", "off")))
    await free.begin(a=1)
    twins.token = free.token
    (record,) = free.long.store.records.values()
    key = {"key": bound["key"]} if "key" in bound else {}
    record = replace(record, secrets=replace(record.secrets, **key), key_thumbprint=bound.get("key_thumbprint"))
    for world in (twins.short, twins.long):
        world.store.records[record.id] = record

    raised, _ = await twins.change(1, 2)

    assert raised.__name__ == "ProofRefused"
    assert _data(twins.short, twins.token) == {"a": 1}


@pytest.mark.parametrize("secret", ["0" * 64, "the family's and another part"])
async def test_a_secret_that_is_not_the_session_s_own_changes_nothing(secret: str) -> None:
    twins = Twins()
    await twins.begin(a=1)
    owner = twins.token
    twins.token = owner[:37] + (secret if len(secret) == 64 else owner[37:69] + "0" * 32)

    raised, _ = await twins.change(1, 2)

    assert raised.__name__ == "SessionEnded"
    assert _data(twins.short, owner) in ({"a": 1}, {})


@pytest.mark.parametrize("token", ["sj1-nothing", f"sj1-{'0' * 32}-{'0' * 64}"])
async def test_what_is_no_session_s_token_changes_nothing(token: str) -> None:
    twins = Twins()
    twins.token = token

    raised, _ = await twins.change(1, 2)

    assert raised.__name__ == "SessionEnded"
