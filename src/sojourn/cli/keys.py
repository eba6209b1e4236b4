"""`sojourn keys`: makes, lists, rotates and revokes the API keys of the session service."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from sojourn.audit.operator import operator
from sojourn.audit.trail import AuditTrail
from sojourn.core.errors import ConfigurationError
from sojourn.manager import milliseconds
from sojourn.service.keys import (
    ApiKey,
    changing_keys,
    find_key,
    make_key,
    read_keys,
    require_new_name,
    rotate_key,
)
from sojourn.service.last_use import read_last_use
from sojourn.wire.api_key import KEY_SCOPES, KeyScope

from .audit_option import audit_option, audited
from .duration import DURATION, relative
from .exit import Exit
from .store_option import json_option
from .terminal import columns, echo_json, safe, table

__all__ = ["keys"]


_file = click.option(
    "--keys",
    "path",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="SOJOURN_KEYS",
    required=True,
    show_envvar=True,
    help="The file that holds the keys' hashes. A running service notices what changes in it.",
)


@click.group()
def keys() -> None:
    """Make, list, rotate and revoke the API keys that back ends show to `sojourn serve`."""


@keys.command()
@_file
@audit_option
@click.option("--name", required=True, help="Whose it is: web, shop-php.")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(KEY_SCOPES),
    multiple=True,
    default=["sessions"],
    show_default=True,
    help="What it may: use sessions, list and revoke a user's, verify requests for a proxy, read metrics, or sign in "
    "at /admin. May be given again.",
)
@json_option
def make(path: Path, name: str, scopes: tuple[KeyScope, ...], audit: str | None, as_json: bool) -> int:
    """Make a key and show it, this once: only its hash is kept."""
    with audited(audit) as trail:
        with changing_keys(path) as there:
            require_new_name(there, name)
            key, text = make_key(name, scopes, milliseconds(), os.urandom)
            # Before it is kept: where nobody could see it, there is none.
            _show(key, text, as_json)
            there.append(key)
        _note(trail, "api_key_made", key)
    return Exit.DONE


@keys.command("list")
@_file
@json_option
def list_(path: Path, as_json: bool) -> int:
    """Show the keys: ids, names, scopes and when each was last used, never a secret."""
    try:
        there, now = read_keys(path), milliseconds()
    except FileNotFoundError:
        raise ConfigurationError(f"There is no file {path}. `sojourn keys make` makes it.") from None
    used = read_last_use(path)
    if as_json:
        echo_json({"now": now, "keys": [{**_document(key), "last_used_at": used.get(key.id)} for key in there]})
        return Exit.DONE
    header = ["ID", "NAME", "SCOPES", "MADE", "ROTATED", "USED"]
    rows = [
        [
            key.id,
            key.name,
            " ".join(key.scopes),
            relative(key.created_at, now),
            relative(key.rotated_at, now) if key.rotated_at else "",
            relative(used[key.id], now) if key.id in used else "",
        ]
        for key in there
    ]
    if rows:
        click.echo(table(header, rows, faint=[False] * len(rows), fit=columns()))
    else:
        click.echo("No keys.")
    return Exit.DONE


@keys.command()
@_file
@audit_option
@click.argument("id")
@click.option(
    "--grace", type=DURATION, default=0, help="Keep the old secret good for so long, like 1h. Default: not at all."
)
@json_option
def rotate(path: Path, id: str, grace: float, audit: str | None, as_json: bool) -> int:
    """Give the key ID a new secret, and show it."""
    with audited(audit) as trail:
        with changing_keys(path) as there:
            key = find_key(there, id)
            if key is None:
                return _unknown(id)
            new, text = rotate_key(key, grace, milliseconds(), os.urandom)
            _show(new, text, as_json)
            there[there.index(key)] = new
        _note(trail, "api_key_rotated", key)
    return Exit.DONE


@keys.command()
@_file
@audit_option
@click.argument("id")
@json_option
def revoke(path: Path, id: str, audit: str | None, as_json: bool) -> int:
    """Take the key ID away: a running service refuses it within a second."""
    with audited(audit) as trail:
        with changing_keys(path) as there:
            key = find_key(there, id)
            if key is None:
                return _unknown(id)
            there.remove(key)
        _note(trail, "api_key_revoked", key)
    if as_json:
        echo_json({"revoked": _document(key)})
    else:
        click.echo(f"The key {key.id} ({safe(key.name)}) is revoked.")
    return Exit.DONE


def _note(trail: AuditTrail | None, what: str, key: ApiKey) -> None:
    if trail is not None:
        trail.note(what, by=operator(), key=key.id, name=key.name, scopes=key.scopes)


def _show(key: ApiKey, text: str, as_json: bool) -> None:
    if as_json:
        echo_json({"key": text, **_document(key)})
        return
    click.echo(text)
    click.echo("Keep it now: it is not shown again.", err=True)


def _document(key: ApiKey) -> dict[str, Any]:
    return {
        "id": key.id,
        "name": key.name,
        "scopes": list(key.scopes),
        "created_at": key.created_at,
        "rotated_at": key.rotated_at,
        "former_until": key.former.until if key.former else None,
    }


def _unknown(id: str) -> int:
    click.echo(f"No key has the id {safe(id)}. `sojourn keys list` shows them.", err=True)
    return Exit.NOTHING
