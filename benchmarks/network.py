"""Network: what a session layer costs whose sessions are on a server, in time, in commands and in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from .commands import REQUESTS, Commands, count_commands, count_of_app
from .flask_shop import FLASK, FLASK_SESSION, FlaskShop, flask_is_there
from .footprint import SESSIONS, Footprint, of_server, of_users
from .network_cost import AT_ONCE, Kind, NetworkCost, measure_costs
from .network_cost import Size as CostSize
from .network_peers import FASTAPI_REDIS, NETWORK_PEERS, at, needs_redis
from .over_http import CONNECTIONS, EXPRESS, HttpCost, measure_over_http
from .peers import BARE
from .request import App, ask
from .rounds import Spread
from .servers import Servers, start_servers
from .shop import open_shop
from .tables import NONE, figure, table, with_quartiles

__all__ = ["Network", "Size", "measure", "report"]

WHAT: dict[Kind, str] = {
    "read": "One key read",
    "change": "One key changed",
    "read_small": "One integer read, alone in its session",
    "change_small": "One integer changed, alone in its session",
}
TITLES: dict[tuple[Kind, int], str] = {
    (kind, at_once): f"{what}, {how}"
    for kind, what in WHAT.items()
    for at_once, how in ((1, "one request after another"), (AT_ONCE, f"{AT_ONCE} requests at once"))
}
BARES = (BARE.name, FLASK, EXPRESS)


class Size(msgspec.Struct, frozen=True):
    """The rounds in process, and those over HTTP with so many requests of each server."""

    cost: CostSize
    http_rounds: int
    http_requests: int


class Network(msgspec.Struct, frozen=True):
    """All that this benchmark found."""

    size: Size
    costs: list[NetworkCost]
    commands: list[Commands]
    footprints: list[Footprint]
    over_http: list[HttpCost]


async def _fill(app: App) -> None:
    for _ in range(SESSIONS):
        await ask(app, "/fill")


async def _visit(shop: FlaskShop, path: str, times: int) -> None:
    for _ in range(times):
        shop.visit(path)


async def _asgi_counts(name: str, servers: Servers, folder: Path) -> tuple[Commands, Footprint]:
    server = servers.new_valkey() if name == FASTAPI_REDIS else servers.new_redis()
    async with AsyncExitStack() as stack:
        app, _ = await open_shop(at(name, server.url), folder, stack)
        return await count_of_app(name, server, app), await of_server(name, server, lambda: _fill(app))


async def _flask_counts(servers: Servers) -> tuple[Commands, Footprint]:
    server = servers.new_redis()
    shop = FlaskShop(server.url)
    commands = await count_commands(FLASK_SESSION, server, lambda: _visit(shop, "/read", REQUESTS))
    shop.forget()
    return commands, await of_server(FLASK_SESSION, server, lambda: _visit(shop, "/fill", SESSIONS))


async def _measure(size: Size, servers: Servers, folder: Path) -> Network:
    costs = await measure_costs(servers, size.cost, folder)
    counts = [await _asgi_counts(name, servers, folder) for name in NETWORK_PEERS if needs_redis(name)]
    counts += [await _flask_counts(servers)] if flask_is_there() else []
    over_http = await measure_over_http(servers, size.http_rounds, size.http_requests)
    counts += over_http.counts
    return Network(
        size=size,
        costs=costs,
        commands=[commands for commands, _ in counts],
        footprints=[*(footprint for _, footprint in counts), await of_users(servers.new_redis())],
        over_http=over_http.costs,
    )


def measure(size: Size) -> Network:
    """Time, count and weigh."""
    with start_servers() as servers, TemporaryDirectory() as folder:
        return asyncio.run(_measure(size, servers, Path(folder)))


def report(found: Network) -> str:
    """The tables, in Markdown."""
    return "\n\n".join(
        [
            *[_costs_table(found, *each) for each in TITLES],
            _over_http_table(found),
            _commands_table(found),
            _footprints_table(found),
        ]
    )


def _costs_table(found: Network, kind: Kind, at_once: int) -> str:
    rows = [
        [
            cost.peer,
            with_quartiles(cost.took),
            NONE if cost.peer in BARES else with_quartiles(cost.added),
            *(NONE if cost.peer in BARES or share is None else figure(share.median) for share in _shares(cost)),
        ]
        for cost in found.costs
        if (cost.kind, cost.at_once) == (kind, at_once)
    ]
    head = [
        TITLES[kind, at_once],
        "µs",
        "added µs",
        "× GET",
        "× starsessions",
        "× fastapi-redis-sdk",
        "× signed cookie",
    ]
    return table(head, rows)


def _shares(cost: NetworkCost) -> Sequence[Spread | None]:
    return cost.of_get, cost.of_starsessions, cost.of_fastapi_redis, cost.of_signed_cookie


def _over_http_table(found: Network) -> str:
    rows = [
        [
            cost.peer,
            with_quartiles(cost.cpu),
            NONE if cost.peer in BARES else with_quartiles(cost.added),
            with_quartiles(cost.per_second),
        ]
        for cost in found.over_http
    ]
    head = [f"One key read over HTTP, {CONNECTIONS} connections", "µs of processor", "added µs", "requests a second"]
    return table(head, rows)


def _commands_table(found: Network) -> str:
    rows = [
        [
            commands.peer,
            f"{commands.total:,}",
            ", ".join(f"{calls:,} {name}" for name, calls in commands.commands.items()) or NONE,
            figure(commands.an_idle_second),
        ]
        for commands in found.commands
    ]
    return table([f"Redis commands for {REQUESTS:,} reading requests", "all", "which", "in an idle second"], rows)


def _footprints_table(found: Network) -> str:
    flask = next((each.session for each in found.footprints if each.peer == FLASK_SESSION), None)
    rows = [
        [each.peer, figure(each.session), figure(each.index), figure(flask and each.session / flask)]
        for each in found.footprints
    ]
    return table(["Bytes of Redis for one session", "session", "user's index", "session, × Flask-Session"], rows)
