"""NetworkCost: µs of a request whose session is on a server, beside the same application without sessions, in process.

And beside a bare GET of the same bytes, which is the least that a client of Redis can do.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import msgspec
import redis
import redis.asyncio
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sojourn.stores.redis import RedisStore

from .flask_shop import FLASK, FLASK_SESSION, FlaskShop, flask_is_there
from .network_peers import FASTAPI_REDIS, NETWORK_PEERS, REDIS, STARSESSIONS, at, new_server
from .peers import BARE, SIGNED_COOKIE, installed
from .request import App, ask, cookie_of
from .rounds import Rounds, Spread
from .servers import Servers
from .shop import open_shop
from .visits import Visit, time_at_once, time_calls, visits_of

__all__ = ["AT_ONCE", "GET", "SYNC_GET", "SYNC_STORE", "Kind", "NetworkCost", "Size", "measure_costs"]

Kind = Literal["read", "change", "read_small", "change_small"]
BIG: tuple[Kind, ...] = ("read", "change")
AT_ONCE = 32
GET = "redis-py, GET"
GET_IN_HANDLER = "Starlette, a GET in the handler"
NOTHING = "nothing"
SYNC_GET = "redis-py, GET, threads"
SYNC_STORE = "Sojourn, RedisStore.get, threads"


class Size(msgspec.Struct, frozen=True):
    """How many rounds, how many laps of each peer in each, and how many requests in a lap: alone, and 32 at once."""

    rounds: int
    laps: int
    requests: int
    requests_at_once: int


class NetworkCost(msgspec.Struct, frozen=True):
    """One peer's request of one kind, in µs, with so many under way. What compares was taken inside each round.

    `added` is beyond the application without sessions; a bare call of Redis adds all that it takes.
    """

    peer: str
    kind: Kind
    at_once: int
    took: Spread
    added: Spread
    of_get: Spread | None
    of_starsessions: Spread | None
    of_signed_cookie: Spread | None
    of_fastapi_redis: Spread | None = None


class _Runner(NamedTuple):
    """Who takes part: `prepare` gives so many calls, ready to be made; `bare` is what they are compared with."""

    name: str
    bare: str
    prepare: Callable[[Kind, int], Sequence[Callable[[], Any]]]
    kinds: Sequence[Kind] = get_args(Kind)
    loop: bool = True


async def _runners(servers: Servers, folder: Path, stack: AsyncExitStack) -> list[_Runner]:
    named = [(peer, "") for peer in installed() if peer in (BARE, SIGNED_COOKIE)]
    for name in NETWORK_PEERS:
        url = new_server(name, servers)
        named.append((at(name, url), url))
    runners = []
    for peer, url in named:
        app, cookie = await open_shop(peer, folder, stack)
        if peer.name == REDIS:
            runners += await _calls(url, cookie.partition(b"sj1-")[2][:32].decode(), stack)
        # A browser for each request that is under way: two that change one key of one session must agree. And others
        # to read than to change: a cache is measured where it helps.
        cookies = {kind: [await _new_cookie(app, kind) for _ in range(AT_ONCE)] for kind in get_args(Kind)}
        runners.append(_Runner(peer.name, BARE.name, partial(_requests, app, cookies)))
    if flask_is_there():
        shops = {FLASK: FlaskShop(None), FLASK_SESSION: FlaskShop(servers.new_redis().url)}
        runners += [_Runner(name, FLASK, partial(_pages, shop), BIG, loop=False) for name, shop in shops.items()]
    return runners


async def _calls(url: str, id: str, stack: AsyncExitStack) -> list[_Runner]:
    """A bare GET of as many bytes as are kept of the session, alone and in a handler; and the store for threads."""
    client = await stack.enter_async_context(redis.asyncio.Redis.from_url(url))
    sync_client = stack.enter_context(redis.Redis.from_url(url))
    (key,) = [key for key in sync_client.scan_iter() if sync_client.type(key) == b"string"]
    other = b"x" * len(key)
    sync_client.set(other, sync_client.get(key))
    store = RedisStore(url)
    stack.callback(store.close)

    async def handler(_request: Request) -> Response:
        await client.get(other)
        return Response(b"dark")

    app = Starlette(routes=[Route("/read", handler)])
    return [
        _Runner(GET, NOTHING, partial(_same, partial(client.get, other)), ("read",)),
        _Runner(GET_IN_HANDLER, BARE.name, partial(_requests, app, {"read": [b""]}), ("read",)),
        _Runner(SYNC_GET, NOTHING, partial(_same, partial(sync_client.get, other)), ("read",), loop=False),
        _Runner(SYNC_STORE, NOTHING, partial(_same, partial(store.get, id)), ("read",), loop=False),
    ]


async def _new_cookie(app: App, kind: Kind) -> bytes:
    """Of a new session; empty where the application keeps none."""
    return cookie_of(await ask(app, "/fill" if kind in BIG else "/fill_small")) or b""


def _same(call: Callable[[], Any], _kind: Kind, times: int) -> Sequence[Callable[[], Any]]:
    return [call] * times


def _requests(app: App, cookies: Mapping[Kind, Sequence[bytes]], kind: Kind, times: int) -> Sequence[Visit]:
    return visits_of(app, cookies[kind], f"/{kind}", times)


def _pages(shop: FlaskShop, kind: Kind, times: int) -> Sequence[Callable[[], Any]]:
    return [partial(shop.call, shop.environ(f"/{kind}")) for _ in range(times)]


async def _take(runners: Sequence[_Runner], kind: Kind, at_once: int, size: Size) -> dict[str, float]:
    """One round: the fastest lap of each. The machine's other work only ever slows a lap."""
    laps: dict[str, list[float]] = {runner.name: [] for runner in runners}
    for _ in range(size.laps):
        for runner in random.sample(runners, len(runners)):
            laps[runner.name].append(await _lap(runner, kind, at_once, size))
    return {NOTHING: 0.0} | {name: min(took) for name, took in laps.items()}


async def _lap(runner: _Runner, kind: Kind, at_once: int, size: Size) -> float:
    calls = runner.prepare(kind, size.requests if at_once == 1 else size.requests_at_once)
    return await time_at_once(calls, at_once) if runner.loop else time_calls(calls)


async def measure_costs(servers: Servers, size: Size, folder: Path) -> list[NetworkCost]:
    """Take the rounds, each of all peers in random order."""
    costs = []
    async with AsyncExitStack() as stack:
        everybody = await _runners(servers, folder, stack)
        taken: dict[tuple[Kind, int], Rounds] = {each: Rounds() for each in product(get_args(Kind), (1, AT_ONCE))}
        for round_ in range(size.rounds + 1):
            for (kind, at_once), rounds in taken.items():
                found = await _take(_part(everybody, kind, at_once), kind, at_once, size)
                # The first round warms caches up.
                if round_:
                    rounds.add(found)
        for (kind, at_once), rounds in taken.items():
            costs += [_cost(runner, kind, at_once, rounds) for runner in _part(everybody, kind, at_once)]
    return costs


def _part(everybody: Sequence[_Runner], kind: Kind, at_once: int) -> Sequence[_Runner]:
    return [runner for runner in everybody if kind in runner.kinds and (runner.loop or at_once == 1)]


def _cost(runner: _Runner, kind: Kind, at_once: int, rounds: Rounds) -> NetworkCost:
    def beside(other: str, bare: str) -> Spread | None:
        """What the runner adds, as a share of what the other adds in the same round."""
        if not rounds.has(other) or (bare == BARE.name and not runner.loop):
            return None
        return rounds.compare(
            lambda mine, mine_bare, other, other_bare: (mine - mine_bare) / (other - other_bare),
            *(runner.name, runner.bare, other, bare),
        )

    return NetworkCost(
        peer=runner.name,
        kind=kind,
        at_once=at_once,
        took=rounds.compare(float, runner.name),
        added=rounds.compare(lambda mine, bare: mine - bare, runner.name, runner.bare),
        of_get=beside(GET if runner.loop else SYNC_GET, NOTHING),
        of_starsessions=beside(STARSESSIONS, BARE.name),
        of_fastapi_redis=beside(FASTAPI_REDIS, BARE.name),
        of_signed_cookie=beside(SIGNED_COOKIE.name, BARE.name),
    )
