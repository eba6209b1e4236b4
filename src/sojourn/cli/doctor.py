"""`sojourn doctor`: a live check of a web application's sessions, or of a store."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sojourn.core.errors import ConfigurationError, StoreUnavailable
from sojourn.stores.store_url import StoreURL

from .duration import DURATION
from .exit import Exit
from .store_option import existing_store, json_option
from .terminal import echo_json, fields, live_line, safe

if TYPE_CHECKING:
    from sojourn.doctor import Finding

__all__ = ["doctor"]

# The longest that an answer may take, in seconds.
PATIENCE = 10.0
# What a finding of `serve --check` may begin with.
SETTINGS = ("admin", "host", "keys", "store")
_COLOURS = {"high": "red", "medium": "red", "low": "yellow"}


@click.command()
@click.option("--app", metavar="URL", help="The web application to look at. It may be of any kind.")
@click.option("--store", metavar="URL", envvar="SOJOURN_STORE", show_envvar=True, help="The store to look at.")
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="FILE",
    help="The settings of a session service, as for `serve`, to look at, and its store.",
)
@click.option("--login", metavar="ENDPOINT", help="With --app, as for `torture`: 'POST /login user=ada&password=tea'.")
@click.option(
    "--write",
    "writes",
    metavar="ENDPOINT",
    multiple=True,
    help="With --app: keeps the number {n} in the session. Again: one that is kept beside it, under another key.",
)
@click.option("--slow-write", metavar="ENDPOINT", help="With --app: a write that takes a second or so.")
@click.option("--read", metavar="ENDPOINT", default="GET /", show_default=True, help="With --app: shows the numbers.")
@click.option("--logout", metavar="ENDPOINT", default="POST /logout", show_default=True, help="With --app.")
@click.option("--header", "headers", multiple=True, help="With --app: sent with each request. {cookie:NAME} is filled.")
@click.option("--idle", type=DURATION, help="With --app: wait so long; an untouched session must then have ended.")
@click.option("--absolute", type=DURATION, help="With --app: wait so long; any session must then have ended.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write an HTML page of it.")
@json_option
def doctor(
    app: str | None, store: str | None, config: Path | None, as_json: bool, report: Path | None, **options: Any
) -> int:
    """Look for what is wrong with the sessions of a running web application, with a store, or with a service.

    With --app one user logs in again and again: use a user and data made for it.

    Exit code 0: nothing is wrong for sure; 1: something is; 3: it could not be seen to the end.
    """
    # Here, not above: the other commands do without HTTP.
    from sojourn.doctor import SEVERITIES, examine_store, html

    if app is not None and config is not None:
        raise click.UsageError("Look at one after the other: --app URL, or --config FILE.")
    if app is not None:
        target, found = _app(app, as_json, **options)
    elif config is not None:
        target, found = "the session service", _config(config, store)
    elif store is not None:
        existing_store(store).close()
        target, found = "the store", examine_store(store)
    else:
        raise click.UsageError("Say what to look at: --app URL, --store URL, or --config FILE.")
    found.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    bad = sum(finding.is_certain for finding in found)
    verdict = f"{bad} finding{'' if bad == 1 else 's'}." if bad else "Nothing is wrong for sure."
    if report is not None:
        try:
            report.write_text(html(target, found, verdict), "utf-8")
        except OSError as error:
            raise click.UsageError(f"{report} cannot be written: {error.strerror}.") from None
    if as_json:
        echo_json({"target": target, "findings": [finding._asdict() for finding in found]})
    else:
        _show(found, verdict)
    if bad:
        return Exit.NOTHING
    return Exit.UNAVAILABLE if any(finding.severity == "broken off" for finding in found) else Exit.DONE


def _app(
    url: str,
    as_json: bool,
    *,
    headers: Sequence[str],
    writes: Sequence[str],
    idle: float | None,
    absolute: float | None,
    **texts: str | None,
) -> tuple[str, list[Finding]]:
    from sojourn.doctor import examine_app
    from sojourn.torture.app import AppEndpoint, Application, Browser

    from .torture_run import site_of

    if missing := [f"--{name}" for name, given in (("login", texts["login"]), ("write", writes)) if not given]:
        raise click.UsageError(f"--app needs {', '.join(missing)}: what the application does, like 'POST /login a=b'.")
    site = site_of(url, headers)._replace(patience=PATIENCE)
    first, *others = map(AppEndpoint.parse, writes)
    if not all(endpoint.is_numbered for endpoint in (first, *others)):
        raise click.UsageError("--write says nowhere {n}, the number that is to be kept.")
    endpoints = {name: AppEndpoint.parse(text) for name, text in texts.items() if text}
    app = Application(site, write=first, other_writes=tuple(others), **endpoints)
    arrived = Browser(site).send(app.read)
    if not arrived.status:
        raise StoreUnavailable(f"The application at {site.origin} does not answer: {arrived.body}.")
    line = live_line(wanted=not as_json) or (lambda text: None)
    try:
        return site.origin, examine_app(app, secrets.randbelow(1_000_000), line, idle=idle, absolute=absolute)
    finally:
        line("")


def _config(config: Path, store: str | None) -> list[Finding]:
    """What `serve --check` finds, what it only mentions, and what is found in the store."""
    from sojourn.doctor import Finding, examine_store
    from sojourn.service.settings import make_settings, read_file

    from .serve_check import binding, findings

    settings = make_settings(read_file(config) | ({} if store is None else {"store": store}))
    sent = f"a look at {config}"
    found = [_of_settings(each.text, sent) for each in findings(settings, config)]
    found = found or [Finding("settings", "good", sent, "nothing wrong, and nothing weak", "", "")]
    is_bound = settings.browser is not None and settings.browser.bind_cookies
    came, _, mend = f"cookies are {binding(settings)}".partition(". ")
    found.append(Finding("binding", "good" if is_bound else "low", sent, came, "", mend))
    if StoreURL.parse(settings.store).scheme != "memory":
        try:
            existing_store(settings.store).close()
            found += examine_store(settings.store)
        except (ConfigurationError, StoreUnavailable) as error:
            found.append(Finding("store", "broken off", "a look at its store", str(error), "", ""))
    return found


def _of_settings(text: str, sent: str) -> Finding:
    from sojourn.doctor import Finding

    first = text.split(maxsplit=1)[0].rstrip(":")
    name = first if first in SETTINGS or first.startswith(("policy.", "cookie.")) else "settings"
    return Finding(name, "low" if name.startswith("policy.") else "medium", sent, text, "", "")


def _show(found: Sequence[Finding], verdict: str) -> None:
    for finding in found:
        if finding.severity == "good":
            continue
        word = click.style(finding.severity, fg=_COLOURS.get(finding.severity), bold=True)
        click.echo(f"{word}: {safe(finding.check)}" + (f"  (ASVS {finding.asvs})" if finding.asvs else ""))
        rows = [("  sent", finding.sent), ("  came", finding.came), ("  mend", finding.mend)]
        click.echo(fields([row for row in rows if row[1]]) + "\n")
    if good := [finding.check for finding in found if finding.severity == "good"]:
        click.echo(f"{click.style('good:', fg='green')} {', '.join(good)}\n")
    click.echo(verdict)
