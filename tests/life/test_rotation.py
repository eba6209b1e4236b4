"""Rotation over whole days: honest browsers on bad networks are never signed out, and a thief is always noticed."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

import pytest

from sojourn import Policy, SessionManager
from sojourn.core.events import Event, Rotated, TokenReused
from sojourn.stores.memory import MemoryStore

SECOND = 1000
HOUR = 3600 * SECOND
POLICY = Policy(idle_timeout=3 * 3600, absolute_timeout=20 * 3600, rotate_interval=3600)


@dataclass
class World:
    """A clock, and what is to happen on it."""

    seed: int
    now: int = 1_800_000_000_000
    ended: int | None = None
    events: list[Event] = field(default_factory=list)
    order: count[int] = field(default_factory=count)
    queue: list[tuple[int, int, Callable[[], None]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start = self.now
        self.chance = random.Random(self.seed)
        self.manager = SessionManager(MemoryStore(), POLICY, on_event=self.events.append, clock=lambda: self.now)

    def after(self, delay: float, what: Callable[[], None]) -> None:
        heapq.heappush(self.queue, (self.now + int(delay), next(self.order), what))

    def run(self, hours: float) -> None:
        until = self.start + int(hours * HOUR)
        while self.queue and self.queue[0][0] <= until and self.ended is None:
            self.now, _, what = heapq.heappop(self.queue)
            what()


@dataclass
class Browser:
    """A cookie jar; each request shows what is in it when it leaves."""

    world: World
    token: str
    lost: float = 0.05
    late: float = 0.05

    def request(self) -> None:
        world = self.world
        session = world.manager.open(self.token)
        if session.status != "active":
            world.ended = world.now
            return

        def answer() -> None:
            reply = world.manager.commit(session)
            if reply.token is None or world.chance.random() < self.lost:
                return
            token = reply.token.reveal()
            delay = 25 * SECOND if world.chance.random() < self.late else world.chance.randint(20, 400)
            world.after(delay, lambda: setattr(self, "token", token))

        world.after(world.chance.randint(5, 300), answer)

    def visit(self) -> None:
        """A burst of parallel requests, then a pause of seconds or minutes, and again."""
        for _ in range(self.world.chance.choice((1, 1, 2, 6))):
            self.world.after(self.world.chance.randint(0, 200), self.request)
        pause = self.world.chance.choice((2, 11, 30, 120, 900)) * SECOND
        self.world.after(pause, self.visit)

    def poll(self, every: float) -> None:
        self.request()
        self.world.after(every, lambda: self.poll(every))


def log_in(world: World) -> Browser:
    session = world.manager.anonymous()
    session.login("ada")
    token = world.manager.commit(session).token
    assert token is not None
    return Browser(world, token.reveal())


def test_honest_browsers_are_never_signed_out() -> None:
    """100 visits of 12 hours; 5 % of the answers lost, 5 % come 25 s late, six requests at a time."""
    for seed in range(100):
        world = World(seed)
        log_in(world).visit()
        world.run(12)

        assert world.ended is None, f"seed {seed} was signed out: {world.events[-1]}"
        assert sum(isinstance(event, Rotated) for event in world.events) >= 9


@pytest.mark.parametrize("every", [1, 20, 300, 1800], ids=lambda seconds: f"every {seconds} s")
def test_a_thief_who_polls_is_noticed(every: float) -> None:
    """The cookie is copied some time in the first hour; both go on, each with the answers that it gets."""
    for seed in range(25 if every > 1 else 5):
        world = World(seed)
        victim = log_in(world)
        victim.visit()
        stolen_at = world.chance.randint(0, HOUR)

        def steal(world: World = world, victim: Browser = victim) -> None:
            Browser(world, victim.token, lost=0, late=0).poll(every * SECOND)

        world.after(stolen_at, steal)
        world.run(12)

        assert world.ended is not None, f"seed {seed}: not noticed in 12 hours"
        assert any(isinstance(event, TokenReused) for event in world.events)
        assert world.ended - world.start - stolen_at < 3 * HOUR
