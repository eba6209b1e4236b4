"""What is wrong or weak in the settings of a service, for `sojourn serve --check`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from sojourn.admin.nist import departures
from sojourn.core.errors import ConfigurationError, StoreUnavailable
from sojourn.core.extras import install
from sojourn.core.loopback import is_loopback
from sojourn.core.policy import Policy
from sojourn.core.proof import require_cryptography
from sojourn.service.keys import read_keys
from sojourn.service.settings import ServiceSettings
from sojourn.stores.server_facts import store_weaknesses
from sojourn.stores.store_url import StoreURL

from .duration import spell
from .exit import Exit
from .remark import Remark
from .serve_check_audit import asked_for_trail, audit_findings

__all__ = ["binding", "findings", "report"]


def report(settings: ServiceSettings, config: Path | None) -> int:
    """Print what is found; the exit code."""
    found = [*findings(settings, config), *asked(settings)]
    for finding in found:
        colour = "red" if finding.how == "wrong" else "yellow"
        click.echo(f"{click.style(finding.how + ':', fg=colour)} {finding.text}")
    if not found:
        click.echo("Nothing is wrong, and nothing weak.")
    click.echo(f"{click.style('cookies:', fg='cyan')} {binding(settings)}")
    if any(finding.how == "wrong" for finding in found):
        return Exit.USAGE
    return Exit.NOTHING if found else Exit.DONE


def asked(settings: ServiceSettings) -> Iterator[Remark]:
    """What the store's server says itself, and that of the audit trail."""
    try:
        yield from [Remark("weak", weakness) for weakness in store_weaknesses(settings.store)]
    except ConfigurationError as error:
        yield Remark("wrong", f"store: {error}")
    except StoreUnavailable as error:
        yield Remark("weak", f"store: its server could not be asked. {error}")
    if settings.audit is not None:
        yield from asked_for_trail(settings.audit.trail)


def findings(settings: ServiceSettings, config: Path | None) -> Iterator[Remark]:
    """What is wrong or weak in the settings themselves. Reads files; asks no store and no network."""
    yield from _store(settings, config)
    yield from _keys(Path(settings.keys))
    if settings.admin:
        yield from _admin(settings)
    if settings.audit is not None:
        yield from audit_findings(settings.audit)
    if settings.cookie.insecure_http:
        yield Remark(
            "weak", "cookie.insecure_http: anyone on the network can read the tokens. Leave it away, use HTTPS."
        )
    if not settings.uds and not is_loopback(settings.host):
        yield Remark(
            "weak",
            f"host {settings.host}: keys and tokens cross the network as they are. Listen at 127.0.0.1 or a unix "
            "socket, or put a proxy with TLS in front.",
        )
    yield from _policy(settings.policy)


def _store(settings: ServiceSettings, config: Path | None) -> Iterator[Remark]:
    if StoreURL.parse(settings.store).scheme == "memory":
        if settings.workers > 1:
            yield Remark(
                "wrong",
                "store memory: with several workers, each has sessions of its own. Take workers = 1, or another store.",
            )
        else:
            yield Remark("weak", "store memory: a restart signs everybody out. Take sqlite:////path/to/sessions.db")
    password = "@" in settings.store and ":" in settings.store.partition("://")[2].rpartition("@")[0]
    if config and password and config.stat().st_mode & 0o077 and settings.store in config.read_text("utf-8"):
        yield Remark(
            "weak", f"{config} holds the store's password and others may read it: chmod 600, or SOJOURN_STORE."
        )


def _keys(path: Path) -> Iterator[Remark]:
    make = f"sojourn keys make --keys {path} --name web"
    try:
        keys = read_keys(path)
    except FileNotFoundError:
        yield Remark("weak", f"keys {path}: there is no such file, so every back end is refused. {make}")
        return
    except ConfigurationError as error:
        yield Remark("wrong", str(error))
        return
    if not keys:
        yield Remark("weak", f"keys {path}: no key in it, so every back end is refused. {make}")
    if path.stat().st_mode & 0o077:
        yield Remark("weak", f"keys {path}: others may read it. chmod 600 {path}")


def _admin(settings: ServiceSettings) -> Iterator[Remark]:
    try:
        keys = read_keys(Path(settings.keys))
    except (FileNotFoundError, ConfigurationError):
        return  # said already
    if not any("operator" in key.scopes for key in keys):
        make = f"sojourn keys make --keys {settings.keys} --scope operator --name you"
        yield Remark("weak", f"admin is on, and no key has the scope operator, so nobody can sign in there. {make}")
    broad = [key.name for key in keys if "operator" in key.scopes and len(key.scopes) > 1]
    if broad:
        yield Remark(
            "weak",
            f"keys {', '.join(map(repr, broad))}: of a person, with a back end's scopes beside it. Make one for each.",
        )


def _policy(policy: Policy) -> Iterator[Remark]:
    for departure in departures(policy, 1):
        if departure.value is not None and departure.limit is not None:
            yield Remark(
                "weak",
                f"policy.{departure.setting} is {spell(departure.value)}, over the {spell(departure.limit)} of "
                f"NIST SP 800-63B-4 {departure.section} at AAL1. `sojourn policy` says more.",
            )
    if policy.rotate_interval is None:
        yield Remark(
            "weak", "policy.rotate_interval is off: a copied token goes unnoticed. Write rotate_interval = 3600"
        )
    if policy.max_sessions is None:
        yield Remark(
            "weak", "policy.max_sessions is off: a user may have any number of live sessions. Write max_sessions = 100"
        )


def binding(settings: ServiceSettings) -> str:
    """Whether cookies are bound to keys of their browsers; where they are not, what is missing for that."""
    browser = settings.browser
    if browser is not None and browser.bind_cookies:
        return f"bound, where a browser has a key, by {browser.public_origin}{browser.mount}"
    missing = "; ".join(_missing(settings))
    return f"not bound, so that a copied one opens its session. What is missing (docs/binding.md): {missing}"


def _missing(settings: ServiceSettings) -> Iterator[str]:
    browser, cookie = settings.browser, settings.cookie
    if settings.policy.binding == "off":
        yield 'policy.binding = "prefer"'
    try:
        require_cryptography()
    except ConfigurationError:
        yield f"the extra bound, {install('bound')}"
    origin = None if browser is None else browser.public_origin
    if origin is None or not origin.startswith("https://"):
        found = "" if origin is None else f", which {origin} is not"
        yield f"browser.public_origin, the origin on https that browsers see{found}"
    unfit = [cookie.domain is not None, cookie.partitioned, cookie.insecure_http]
    for name, is_set in zip(("domain", "partitioned", "insecure_http"), unfit, strict=True):
        if is_set:
            yield f"a cookie without {name}"
    yield "browser.bind_cookies = true, once every back end hands bound cookies on"
