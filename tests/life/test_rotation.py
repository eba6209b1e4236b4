"""Rotation over whole days: honest browsers on bad networks are never signed out, and a thief is always noticed."""

from __future__ import annotations

import heapq
import os
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from sojourn import Client, Policy, SessionManager
from sojourn.events import Event, Rotated, RotationStalled, TokenReused, UnknownToken
from sojourn.stores import Store
from sojourn.stores.memory import MemoryStore
from tests.store_kinds import FEW, open_kind

SECOND = 1000
HOUR = 3600 * SECOND
DAY = 24 * HOUR
POLICY = Policy(idle_timeout=3 * 3600, absolute_timeout=20 * 3600, rotate_interval=3600)
WEEK = Policy(idle_timeout=4 * 86400, absolute_timeout=10 * 86400, remember=None)

# The first requests after a theft may be the owner's or the thief's; each generation lasts an interval.
NOTICED_WITHIN = 2 * HOUR + 10 * 60 * SECOND


@dataclass
class World:
    """A clock, and what is to happen on it."""

    seed: int
    policy: Policy = POLICY
    store: Store = field(default_factory=MemoryStore)
    now: int = 1_800_000_000_000
    ended: int | None = None
    events: list[Event] = field(default_factory=list)
    order: count[int] = field(default_factory=count)
    queue: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start = self.now
        self.chance = random.Random(self.seed)
        self.manager = SessionManager(self.store, self.policy, on_event=self.events.append, clock=lambda: self.now)

    def between(self, least: int, most: int) -> int:
        # randint() of the same is a third of all that a day costs.
        return least + int(self.chance.random() * (most + 1 - least))

    def after(self, delay: float, what: Callable[[], None]) -> None:
        heapq.heappush(self.queue, (self.now + int(delay), next(self.order), what))

    def run(self, hours: float) -> None:
        until = self.start + int(hours * HOUR)
        while self.queue and self.queue[0][0] <= until and self.ended is None:
            self.now, _, what = heapq.heappop(self.queue)
            what()

    @property
    def noticed(self) -> bool:
        return any(isinstance(event, (TokenReused, RotationStalled)) for event in self.events)


@dataclass
class Browser:
    """A cookie jar; each request shows what is in it when it leaves, and what comes last is what stays in it."""

    world: World
    token: str
    lost: float = 0.05
    late: float = 0.03

    def request(self) -> None:
        """A request on its way: it may take 25 s to arrive, and as long to be answered."""
        shown = self.token
        self.world.after(self._travel(), lambda: self._arrive(shown))

    def _arrive(self, shown: str) -> None:
        world = self.world
        session = world.manager.open(shown)
        if session.status != "active":
            world.ended = world.now
            return

        def answer() -> None:
            reply = world.manager.commit(session)
            if reply.token is not None and world.chance.random() >= self.lost:
                token = reply.token.reveal()
                world.after(self._travel(), lambda: self.keep(token))

        world.after(world.between(5, 300), answer)

    def keep(self, token: str) -> None:
        self.token = token

    def _travel(self) -> int:
        return 25 * SECOND if self.world.chance.random() < self.late else self.world.between(10, 200)

    def visit(self) -> None:
        """A burst of parallel requests, then a pause of seconds or minutes, and again."""
        for _ in range(self.world.chance.choice((1, 1, 2, 6))):
            self.world.after(self.world.between(0, 200), self.request)
        pause = self.world.chance.choice((2, 11, 30, 120, 900)) * SECOND
        self.world.after(pause, self.visit)

    def day(self) -> None:
        """Some work in the morning, some in the evening, a page left open over night that asks every minute or so."""
        chance = self.world.chance
        for _ in range(chance.randint(5, 40)):
            self.world.after(chance.randint(0, 10 * HOUR), self.request)
        if chance.random() < 0.4:
            for minute in range(0, 24 * 60, chance.choice((1, 3, 7))):
                self.world.after(minute * 60 * SECOND, self.request)
        self.world.after(DAY, self.day)

    def poll(self, every: float) -> None:
        self.request()
        self.world.after(every, lambda: self.poll(every))


def log_in(world: World) -> Browser:
    session = world.manager.anonymous()
    session.login("ada")
    token = world.manager.commit(session).token
    assert token is not None
    return Browser(world, token.reveal())


# Honest


def test_honest_browsers_are_never_signed_out() -> None:
    """Visits of 12 hours: 5 % of the answers lost, 3 % late by 25 s each way, out of order, six requests at a time."""
    for seed in range(VISITS):
        world = World(seed)
        log_in(world).visit()
        world.run(12)

        assert world.ended is None, f"seed {seed} was signed out: {world.events[-1]}"
        assert sum(isinstance(event, Rotated) for event in world.events) >= 7


def test_a_week_with_nights_and_open_pages_signs_nobody_out() -> None:
    for seed in range(20):
        world = World(seed, WEEK)
        log_in(world).day()
        world.run(7 * 24)

        assert world.ended is None, f"seed {seed} was signed out: {world.events[-1]}"


VISITS = 1000


# Thieves. Each has the victim's cookie at some time of the first two hours, and its answers neither get lost nor late.


@dataclass
class Thief(Browser):
    """By itself one who follows along: it keeps what it is given, as a browser does."""

    lost: float = 0
    late: float = 0

    def begin(self) -> None:
        self.poll(20 * SECOND)


class Fast(Thief):
    """Asks every second."""

    def begin(self) -> None:
        self.poll(SECOND)


class Slow(Thief):
    """Asks twice an hour."""

    def begin(self) -> None:
        self.poll(HOUR / 2)


class Starver(Thief):
    """Asks ten times a second, in the hope to be given every new secret, and never shows one: it keeps the old."""

    def begin(self) -> None:
        self.poll(SECOND / 10)

    def keep(self, token: str) -> None:
        pass


class Evictor(Starver):
    """Takes many new secrets while the owner reads a page, so that the owner's own might be forgotten."""

    def begin(self) -> None:
        for after in range(0, 200, 10):
            self.world.after(after * SECOND, self.request)
        self.world.after(HOUR / 4, self.begin)


class Parker(Thief):
    """Takes a new secret, and shows it only hours later."""

    parked: str | None = None

    def begin(self) -> None:
        self.parked = None
        self.poll(15 * SECOND)
        self.world.after(5 * HOUR, self.show)

    def poll(self, every: float) -> None:
        if self.parked is None:
            super().poll(every)

    def keep(self, token: str) -> None:
        self.parked = token

    def show(self) -> None:
        self.token = self.parked or self.token
        self.request()
        self.world.after(HOUR, self.show)


class Hoarder(Thief):
    """Takes all the new secrets it can get for one, then shows each of them once, a minute apart."""

    def begin(self) -> None:
        self.hoard: list[str] = []
        self.poll(5 * SECOND)
        self.world.after(HOUR / 2, self.spend)

    def poll(self, every: float) -> None:
        if not self.hoard or len(self.hoard) < 5:
            super().poll(every)

    def keep(self, token: str) -> None:
        self.hoard.append(token)

    def spend(self) -> None:
        if self.hoard:
            self.token = self.hoard.pop(0)
        self.request()
        self.world.after(60 * SECOND, self.spend)


class Waiter(Thief):
    """Waits until what it copied should be forgotten, then asks."""

    def begin(self) -> None:
        self.world.after(6 * HOUR, lambda: self.poll(60 * SECOND))


class Sneak(Thief):
    """Asks at random moments, hours apart, and at once when it was given something new."""

    def begin(self) -> None:
        self.request()
        self.world.after(self.world.chance.randint(0, 3 * HOUR), self.begin)

    def keep(self, token: str) -> None:
        super().keep(token)
        self.request()


THIEVES = dict.fromkeys((Thief, Fast, Slow, Starver, Evictor, Hoarder), NOTICED_WITHIN)
# Of these the copy lies idle for hours first. What is not shown cannot be noticed.
THIEVES |= {Parker: 5 * HOUR + NOTICED_WITHIN, Waiter: 6 * HOUR + NOTICED_WITHIN, Sneak: 3 * HOUR + NOTICED_WITHIN}


@pytest.mark.parametrize("kind", THIEVES, ids=lambda kind: kind.__name__)
def test_a_thief_is_noticed(kind: type[Thief]) -> None:
    for seed in range(3 if kind in (Fast, Starver) else 20):
        assert_noticed(World(seed), kind)


def assert_noticed(world: World, kind: type[Thief]) -> None:
    victim = log_in(world)
    victim.visit()
    stolen_at = world.chance.randint(0, 2 * HOUR)
    world.after(stolen_at, lambda: kind(world, victim.token).begin())
    world.run(18)

    assert world.noticed, f"seed {world.seed}: not noticed in 18 hours"
    assert world.ended is not None
    assert world.ended - world.start - stolen_at < THIEVES[kind]


class PatientStarver(Starver):
    """Asks twice a minute: as good, and less work for a server."""

    def begin(self) -> None:
        self.poll(30 * SECOND)


THIEVES[PatientStarver] = NOTICED_WITHIN


@pytest.mark.parametrize("kind", FEW)
def test_on_every_store_evasions_are_noticed(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """By eviction, by forgetting, by starvation, by parking."""
    store = open_kind(kind, request, tmp_path)
    for evasion in (Evictor, Waiter, PatientStarver, Parker):
        assert_noticed(World(7, store=store), evasion)
    store.close()


@pytest.mark.parametrize("kind", ["memory", "sqlite", "async postgres", "redis"])
def test_on_every_store_the_public_id_alone_changes_nothing(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    store = open_kind(kind, request, tmp_path)
    events: list[Event] = []
    manager = SessionManager(store, on_event=events.append)
    session = manager.anonymous()
    session.login("ada")
    token = manager.commit(session).token
    assert token is not None
    before = store.get(token.id)
    events.clear()
    for _ in range(20_000 if kind == "memory" else 2_000):
        guessed = manager.open(f"sj1-{token.id}-{os.urandom(32).hex()}")
        assert guessed.status == "none"
        guessed.client = Client("192.0.2.1")
        manager.commit(guessed)

    assert {(type(event), event.id) for event in events} == {(UnknownToken, token.id)}
    assert store.get(token.id) == before
    assert manager.open(token.reveal()).user_id == "ada"
    store.close()
