"""`sojourn demo`: a small application that shows what sessions do, on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from sojourn.core.policy import Lifetime, Policy

from .duration import DURATION
from .exit import Exit

__all__ = ["demo"]


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="0.0.0.0 shows it to the whole network.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8000,
    envvar="PORT",
    show_default=True,
    show_envvar=True,
    help="0 takes a free one.",
)
@click.option(
    "--store",
    "url",
    metavar="URL",
    default="sqlite:///sojourn-demo.sqlite3",
    # Not SOJOURN_STORE: who signs up here as ada would be ada for the application there too.
    envvar="SOJOURN_DEMO_STORE",
    show_default=True,
    show_envvar=True,
    help="Where its sessions are, as for the other commands, or memory:. No store of an application's.",
)
@click.option(
    "--users",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("sojourn-demo-users.sqlite3"),
    show_default=True,
    help="A SQLite file with its accounts. Made if there is none.",
)
@click.option("--idle", type=DURATION, default=Policy().idle_timeout, help="idle_timeout.  [default: 30m]")
@click.option("--absolute", type=DURATION, default=Policy().absolute_timeout, help="absolute_timeout.  [default: 12h]")
@click.option("--insecure-cookies", is_flag=True, help="Without Secure: for Safari, or a network that you trust.")
def demo(host: str, port: int, url: str, users: Path, idle: float, absolute: float, insecure_cookies: bool) -> int:
    """Run the demo until Ctrl-C. Needs the extra `demo`."""
    Lifetime(idle_timeout=idle, absolute_timeout=absolute)  # judged before any file is made
    # Here, not above: the other commands do without what the demo needs.
    from sojourn.demo import serve

    serve(
        host=host,
        port=port,
        store=url,
        users=users,
        idle_timeout=idle,
        absolute_timeout=absolute,
        insecure_cookies=insecure_cookies,
    )
    return Exit.DONE
