"""`sojourn policy`: states a policy, its sources, and where it departs from NIST SP 800-63B-4."""

from __future__ import annotations

from typing import Any, cast

import click

from sojourn.admin.nist import AAL, AALS, departures
from sojourn.core.policy import Lifetime, Policy

from .duration import DURATION
from .exit import Exit
from .policy_page import document, markdown, text
from .store_option import json_option
from .terminal import echo_json

__all__ = ["policy"]


@click.command()
@click.option("--idle", "idle_timeout", type=DURATION, help="idle_timeout, like 30m.")
@click.option("--absolute", "absolute_timeout", type=DURATION, help="absolute_timeout, like 12h.")
@click.option("--remember-idle", type=DURATION, help="remember's idle_timeout, like 14d.")
@click.option("--remember-absolute", type=DURATION, help="remember's absolute_timeout, like 30d.")
@click.option("--no-remember", is_flag=True, help="Nobody is remembered.")
@click.option("--touch", "touch_interval", type=DURATION, help="touch_interval, like 1m.")
@click.option("--rotate", "rotate_interval", type=DURATION, help="rotate_interval, like 1h.")
@click.option("--no-rotate", is_flag=True, help="Secrets are never renewed.")
@click.option("--rotate-grace", type=DURATION, help="rotate_grace, like 60s.")
@click.option("--max-sessions", type=int, help="Live sessions that a user may have.")
@click.option("--no-max-sessions", is_flag=True, help="A user may have any number.")
@click.option("--on-limit", type=click.Choice(["end_oldest", "refuse"]), help="What happens at max_sessions.")
@click.option("--keep-ended", type=DURATION, help="keep_ended, like 1d.")
@click.option(
    "--keep-client", type=click.Choice(["all", "network", "none"]), help="What is kept of address and user agent."
)
@click.option("--aal", type=click.Choice(["1", "2", "3"]), help="Compare with this level, and exit 1 if it departs.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print the document that ASVS 7.1.1 asks for.")
@json_option
def policy(aal: str | None, as_markdown: bool, as_json: bool, **stated: Any) -> int:
    """State a policy: its timeouts, where each comes from, and where they depart from NIST SP 800-63B-4.

    Without options it is the default one. With --aal the exit code is the verdict: 0 within NIST, 1 departs.
    Without it all three levels are shown, none is judged, and the exit code is 0.
    """
    if as_markdown and as_json:
        raise click.UsageError("Choose one of --markdown and --json.")
    mine = _policy(**stated)
    aals: tuple[AAL, ...] = AALS if aal is None else (cast(AAL, int(aal)),)
    departs = None if aal is None else bool(departures(mine, aals[0]))
    if as_json:
        echo_json(document(mine, aals) | {"aal": None if aal is None else aals[0], "departs": departs})
    else:
        click.echo(markdown(mine, aals) if as_markdown else text(mine, aals))
    return Exit.NOTHING if departs else Exit.DONE


def _policy(
    *,
    remember_idle: float | None,
    remember_absolute: float | None,
    no_remember: bool,
    no_rotate: bool,
    no_max_sessions: bool,
    **stated: Any,
) -> Policy:
    if no_remember and (remember_idle is not None or remember_absolute is not None):
        raise click.UsageError("--no-remember leaves no timeouts to state.")
    if no_rotate and stated["rotate_interval"] is not None:
        raise click.UsageError("--no-rotate leaves no interval to state.")
    if no_max_sessions and stated["max_sessions"] is not None:
        raise click.UsageError("--no-max-sessions leaves no number to state.")
    default = Policy().remember
    assert default is not None
    given = {name: value for name, value in stated.items() if value is not None}
    if no_rotate:
        given["rotate_interval"] = None
    if no_max_sessions:
        given["max_sessions"] = None
    remember = Lifetime(
        idle_timeout=default.idle_timeout if remember_idle is None else remember_idle,
        absolute_timeout=default.absolute_timeout if remember_absolute is None else remember_absolute,
    )
    return Policy(remember=None if no_remember else remember, **given)
