"""`sojourn torture`: races and faults, fired at a store or at a running web application."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from .exit import Exit
from .store_option import json_option

__all__ = ["torture"]

NEW_FILE = click.Path(dir_okay=False, path_type=Path)
OLD_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
ENDPOINTS = ("login", "write", "slow_write", "read", "logout")


def _endpoint(name: str, example: str) -> Callable[[Any], Any]:
    return click.option(f"--{name}", metavar="ENDPOINT", help=f"With --app, like '{example}'.")


@click.command()
@click.argument("store", required=False, envvar="SOJOURN_TORTURE_STORE")
@click.option("--app", metavar="URL", help="Torture the web application there instead.")
@_endpoint("login", 'POST /login {"user": "ada", "password": "secret"}')
@_endpoint("write", 'POST /cart {"item": "{n}"}')
@_endpoint("slow-write", 'POST /slow {"item": "{n}"}')
@_endpoint("read", "GET /cart")
@_endpoint("logout", "POST /logout")
@click.option("--header", "headers", multiple=True, help="With --app: sent with each request. {cookie:NAME} is filled.")
@click.option("--processes", type=click.IntRange(1, 64), default=8, show_default=True, help="Each has its own store.")
@click.option("--rounds", type=click.IntRange(1, 10_000), default=10, show_default=True, help="50 tries or so in each.")
@click.option("--seed", type=int, help="Repeats the choices of a run that printed it.")
@click.option("--only", metavar="NAME", multiple=True, help="This race; may be given again.")
@click.option("--list", "wants_list", is_flag=True, help="List the races and what each does.")
@click.option("--storm", type=click.FloatRange(0.5, 3600), default=5.0, show_default=True, help="Seconds of a storm.")
@click.option("--during-storm", "command", metavar="COMMAND", help="Run in the middle of a storm: a failover, say.")
@click.option("--history", type=NEW_FILE, metavar="FILE", help="Keep in a new FILE what the storms' clients asked for.")
@click.option("--check", type=OLD_FILE, metavar="FILE", help="Judge the histories in FILE again. No store is asked.")
@json_option
def torture(
    store: str | None,
    app: str | None,
    wants_list: bool,
    as_json: bool,
    seed: int | None,
    rounds: int,
    check: Path | None,
    **options: Any,
) -> int:
    """Fire races and faults at a STORE and count what it loses: a store's URL, or package.module:Class.

    With --app at a running web application: say with endpoints what it does. {n} stands for a number that it must
    keep in the session, and show again in --read. A body in braces is sent as JSON, any other as a form.

    Exit code 0: nothing was lost; 1: something was, or a race came to no end.
    """
    # Here, not above: the other commands do without processes, event loops and HTTP.
    from .torture_run import Show, check_history, race_list, torture_app, torture_store

    if wants_list:
        click.echo(race_list())
        return Exit.DONE
    if check is not None:
        if store or app:
            raise click.UsageError("--check judges a FILE: give no STORE and no --app with it.")
        return check_history(check, as_json=as_json)
    if (store is None) == (app is None):
        raise click.UsageError("Say what to torture: a STORE, or --app URL.")
    endpoints = {name: text for name in ENDPOINTS if (text := options.pop(name)) is not None}
    headers, only = options.pop("headers"), options.pop("only")
    if store and (endpoints or headers):
        raise click.UsageError(f"--{next(iter(endpoints), 'header').replace('_', '-')} is for --app.")
    for_store = {"--during-storm": options["command"], "--history": options["history"]}
    if app and (given := [option for option, value in for_store.items() if value]):
        raise click.UsageError(f"{given[0]} is for a STORE.")
    show = Show(as_json, rounds, secrets.randbelow(1_000_000) if seed is None else seed)
    if app:
        torture_app(show, app, only, endpoints, headers)
    else:
        torture_store(show, store or "", only, **options)
    return show.end()
