"""ServiceSettings: how a service is set up, from a TOML file and what is laid over it."""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from sojourn.admin.operators import REALM
from sojourn.browser.endpoints import REAUTHENTICATE_WITHIN
from sojourn.core.binding import require_binding
from sojourn.core.cookie import CookieOptions
from sojourn.core.errors import ConfigurationError
from sojourn.core.place import Place
from sojourn.core.policy import Lifetime, Policy
from sojourn.core.proof import require_cryptography
from sojourn.core.transport import Transport
from sojourn.manager.context import REALM_PATTERN
from sojourn.stores.store_url import StoreURL

from .exposition import require_prometheus
from .log import LogFormat, LogLevel

__all__ = [
    "EXAMPLE",
    "AuditSettings",
    "BrowserSettings",
    "LogSettings",
    "ServiceSettings",
    "WebhookSettings",
    "make_settings",
    "place_of",
    "read_file",
]

T = TypeVar("T")

_field = re.compile(r"Object (?:contains unknown|missing required) field `(.+)`").fullmatch
_index = re.compile(r"\[.*\]$").sub

EXAMPLE = """\
store = "postgresql:///app"        # as for open_store; a password belongs into SOJOURN_STORE
keys = "/etc/sojourn/keys.json"    # written by `sojourn keys`
host = "127.0.0.1"
port = 8100
uds = "/run/sojourn/service.sock"  # instead of host and port
workers = 2                        # processes
admin = true                       # /admin, a page for operators: docs/admin.md; the default is false
metrics = true                     # /metrics, for Prometheus: docs/metrics.md; needs the extra `metrics`
realm = "shop"                     # these sessions are apart from all others in the store; without it, ""

[policy]                           # durations in seconds; docs/policy.md has all of them
idle_timeout = 1800
absolute_timeout = 43200
touch_interval = 60
rotate_interval = 3600             # false: never
rotate_grace = 60
max_sessions = 10
on_limit = "end_oldest"
on_conflict = "last_writer_wins"
keep_ended = 86400
keep_client = "all"
max_bytes = 32768
binding = "prefer"                 # the default is "off": docs/binding.md; needs the extra `bound`
remember = { idle_timeout = 1209600, absolute_timeout = 2592000 }  # false: nobody is remembered

[cookie]
name = "__Secure-session"          # the default, "__Host-session", allows no domain
same_site = "lax"
path = "/"
domain = "example.com"             # without it, the host alone
partitioned = false
insecure_http = false

[browser]                          # the browser's own endpoints; without this table there are none
mount = "/session"
readable = ["theme", "cart"]
writable = ["theme"]
trusted_origins = ["https://app.example.com"]
script_readable_tokens = true      # false is the default, and safer: docs/security.md
public_origin = "https://app.example.com"  # as browsers see it: needed where the policy binds sessions, and only there
bind_cookies = false               # true: every back end hands bound cookies on (docs/binding.md)
reauthenticate_within = 900        # to end one's sessions elsewhere; false: any log-in will do

[audit]                            # who did what: docs/audit.md; without this table there is no trail
trail = "/var/log/sojourn/audit.jsonl"  # or "postgresql:///app?keep_days=400"; a password belongs into SOJOURN_AUDIT

[audit.webhook]                    # sent there too; without this table nothing is sent
url = "https://siem.example.com/sojourn"
secret_file = "/etc/sojourn/webhook.secret"
outbox = "/var/lib/sojourn/outbox.db"

[log]
level = "info"                     # debug, info, warning or error
format = "json"                    # or text
"""


class _Table(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class BrowserSettings(_Table, frozen=True, kw_only=True):
    """The browser's own endpoints, as in sojourn.asgi."""

    mount: Annotated[str, msgspec.Meta(pattern=r"^(/[A-Za-z0-9._~-]+)+$")] = "/session"
    readable: tuple[str, ...] = ()
    writable: tuple[str, ...] = ()
    trusted_origins: tuple[str, ...] = ()
    script_readable_tokens: bool = False
    public_origin: str | None = None
    bind_cookies: bool = False
    reauthenticate_within: float | Literal[False] = REAUTHENTICATE_WITHIN


class WebhookSettings(_Table, frozen=True, kw_only=True):
    """Where what is in the trail is sent, and what is kept until it was."""

    url: str
    secret_file: str
    outbox: str


class AuditSettings(_Table, frozen=True, kw_only=True):
    """Where the audit trail is written, a file or a store's URL, and sent. It may hold a password: never show it."""

    trail: str
    webhook: WebhookSettings | None = None


class LogSettings(_Table, frozen=True, kw_only=True):
    """What is logged, and how."""

    level: LogLevel = "info"
    format: LogFormat = "text"


class ServiceSettings(_Table, frozen=True, kw_only=True):
    """A service's settings, each as docs/service.md has it. The store's URL may hold a password: never show it."""

    store: str
    keys: str
    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8100
    uds: str | None = None
    workers: Annotated[int, msgspec.Meta(ge=1, le=256)] = 1
    admin: bool = False
    metrics: bool = False
    realm: Annotated[str, msgspec.Meta(pattern=REALM_PATTERN)] = ""
    policy: Policy = Policy()
    cookie: CookieOptions = CookieOptions()
    browser: BrowserSettings | None = None
    audit: AuditSettings | None = None
    log: LogSettings = LogSettings()


def read_file(path: Path) -> dict[str, Any]:
    """What the TOML file holds. Raises ConfigurationError where it cannot be read."""
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigurationError(f"The configuration {path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"The configuration {path} is not UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"The configuration {path} is no TOML: {error}.") from None


def make_settings(tables: Mapping[str, Any]) -> ServiceSettings:
    """The settings that `tables` spell. Raises ConfigurationError: which key, what was expected, what to write."""
    told = dict(tables)
    for name, what, flag in (("store", "Where are the sessions", "--store URL"), ("keys", "Which keys", "--keys FILE")):
        if name not in told:
            raise ConfigurationError(f"{what}? Give {flag}, or SOJOURN_{name.upper()}, or {_line(name)}")
    settings = _convert(told | {"policy": {}, "cookie": {}}, ServiceSettings, "")
    StoreURL.parse(settings.store)
    policy = _nulls(_table(told.get("policy", {}), Policy, "policy"))
    _table(policy.get("remember") or {}, Lifetime, "policy.remember")
    cookie = _table(told.get("cookie", {}), CookieOptions, "cookie")
    settings = msgspec.structs.replace(
        settings, policy=_convert(policy, Policy, "policy"), cookie=_convert(cookie, CookieOptions, "cookie")
    )
    _check_binding(settings)
    if settings.realm == REALM:
        raise ConfigurationError(f"realm: {REALM!r} is that of the operators at /admin. Choose another name.")
    if settings.metrics:
        require_prometheus()
    return settings


def _check_binding(settings: ServiceSettings) -> None:
    policy, browser = settings.policy, settings.browser
    if policy.binding != "off":
        require_cryptography()
    if browser is None:
        return
    origin, binds_cookies = browser.public_origin, browser.bind_cookies
    can_be = place_of(settings) is not None
    if policy.binding != "off" or origin is not None:
        # That cookies could be bound is nobody's mistake, where scripts hold the tokens.
        require_binding(policy, origin, browser.script_readable_tokens, adopts=False, cookies_can_be=can_be)
    if binds_cookies and not can_be:
        raise ConfigurationError(
            "browser.bind_cookies: browsers bind a cookie that is Secure and one host's alone (no domain, not "
            "partitioned), on https, and under a policy that binds. Set policy.binding, and public_origin to an https "
            "origin, or leave bind_cookies out."
        )
    if can_be and not binds_cookies and not browser.script_readable_tokens:
        raise ConfigurationError(
            f"policy.binding = {policy.binding!r} has nothing to bind. Below [browser], bind_cookies = true is for "
            "cookies, once every back end hands bound cookies on; script_readable_tokens = true for what scripts hold."
        )


def place_of(settings: ServiceSettings) -> Place | None:
    """Where browsers register keys of their own; None where they cannot, or need not."""
    browser = settings.browser
    if browser is None or browser.public_origin is None or settings.policy.binding == "off":
        return None
    place = Transport(settings.cookie, public_origin=browser.public_origin, endpoints_path=browser.mount).place
    return place if isinstance(place, Place) else None


def _nulls(policy: Mapping[str, Any]) -> dict[str, Any]:
    # TOML has no null: false is how a policy goes without these.
    return {
        name: None if value is False and name in ("remember", "rotate_interval", "max_sessions") else value
        for name, value in policy.items()
    }


def _table(table: Any, kind: type, name: str) -> dict[str, Any]:
    """`table`, once its keys are seen to be fields of the dataclass `kind`: msgspec passes others over."""
    if not isinstance(table, dict):
        raise ConfigurationError(f"{name}: a table was expected. Write {_line(name)}")
    fields = [field.name for field in dataclasses.fields(kind)]
    for key in table:
        if key not in fields:
            raise ConfigurationError(_unknown(key, name, fields))
    return table


def _convert(table: Mapping[str, Any], kind: type[T], name: str) -> T:
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        said, _, at = str(error).partition(" - at `$")
        place = ".".join(part for part in (name, at.rstrip("`").lstrip(".")) if part)
        named = _field(said)
        if named is None:
            raise ConfigurationError(f"{place}: {said}. Write {_line(place)}") from None
        if said.startswith("Object missing"):
            key = f"{place}.{named[1]}" if place else named[1]
            raise ConfigurationError(f"{key} is missing. Write {_line(key)}") from None
        fields = list(_example(place) or {})
        raise ConfigurationError(_unknown(named[1], place, fields)) from None


def _unknown(key: str, place: str, fields: list[str]) -> str:
    close = difflib.get_close_matches(key, fields, 1)
    mend = f"Did you mean {close[0]}?" if close else f"There are {', '.join(fields)}."
    return f"{place}.{key}: no such key. {mend}" if place else f"{key}: no such key. {mend}"


def _example(place: str) -> Any:
    found: Any = tomllib.loads(EXAMPLE)
    for part in place.split(".") if place else ():
        found = found.get(_index("", part))
    return found


def _line(place: str) -> str:
    """How the key at `place` may be written."""
    table, _, key = place.rpartition(".")
    value = _example(place)
    if isinstance(value, dict) and not table:
        return f"[{key}] and its keys below it"
    line = f"{_index('', key)} = {_toml(value)}"
    return f"{line} below [{table}]" if table else line


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{name} = {_toml(member)}" for name, member in value.items()) + " }"
    return json.dumps(value)
