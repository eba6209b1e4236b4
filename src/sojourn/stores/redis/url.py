"""A store's URL taken apart: what kind of Redis it is, where its nodes are, and how to connect to one."""

from __future__ import annotations

import re
from typing import Any, Literal
from urllib.parse import parse_qsl, unquote, urlencode

import msgspec
from redis.connection import parse_url

from sojourn.core.errors import ConfigurationError

from .calls import Address

__all__ = ["Location", "parse"]

_SHAPE = re.compile(
    r"(redis|rediss|valkey|valkeys|unix)(\+cluster|\+sentinel)?://(?:([^/?#]*)@)?([^/?#]*)([^?#]*)(?:\?([^#]*))?"
).fullmatch
_HOST = re.compile(r"(\[[^\]]+\]|[^:\[\]]+)(?::(\d{1,5}))?").fullmatch
_PORTS = {"redis": 6379, "cluster": 6379, "sentinel": 26379}
_FORMS = (
    "redis://host:6379/0, rediss://… for TLS, unix:///path/of.sock, redis+cluster://host:6379,host:6379 "
    "or redis+sentinel://host:26379,host:26379/service/0"
)


class Location(msgspec.Struct, frozen=True, kw_only=True):
    """Where Redis is. `options` and `sentinel_options` are keyword arguments of redis-py's connections."""

    kind: Literal["redis", "cluster", "sentinel"]
    addresses: tuple[Address, ...]
    service: str
    options: dict[str, Any]
    sentinel_options: dict[str, Any]
    tls: bool
    min_replicas: int
    allow_eviction: bool


def parse(url: str) -> Location:
    """What `url` says. Raises ConfigurationError; no message repeats more of it than a host, a port or an option."""
    match = _SHAPE(url)
    if match is None:
        raise ConfigurationError(f"This is no URL of Redis. Write {_FORMS}.")
    scheme, more, user, hosts, path, query = match.groups()
    asked = dict(parse_qsl(query or ""))
    min_replicas = _whole("min_replicas", asked.pop("min_replicas", "0"))
    allow_eviction = _flag("dangerously_allow_eviction", asked.pop("dangerously_allow_eviction", "false"))
    sentinel = {name[9:]: asked.pop(name) for name in ("sentinel_username", "sentinel_password") if name in asked}
    kind: Literal["redis", "cluster", "sentinel"] = "redis"
    if more:
        kind = "cluster" if more == "+cluster" else "sentinel"
    addresses = _unix(path) if scheme == "unix" else _addresses(hosts, _PORTS[kind])
    service, database = _service(path) if kind == "sentinel" else ("", path.strip("/"))
    if kind == "cluster" and database not in ("", "0"):
        raise ConfigurationError("A Cluster has one database: write no path after its hosts.")
    if scheme != "unix" and not re.fullmatch("[0-9]*", database):
        # Not repeated: where a password has a slash in it, this is a part of it.
        raise ConfigurationError("A database of Redis is a number: write redis://host:6379/0, or no path at all.")
    # The rest is redis-py's to understand: user, password, database, and options such as ssl_ca_certs.
    login = f"{user}@" if user else ""
    plain = f"redis://{login}h/{database}?{urlencode(asked)}"
    try:
        options: dict[str, Any] = dict(parse_url(plain))
    except ValueError as error:
        raise ConfigurationError(f"The URL of Redis cannot be used: {error}") from None
    for name in ("host", "port", "connection_class"):
        options.pop(name, None)
    if len(addresses) > 1 and kind == "redis":
        raise ConfigurationError(f"redis:// names one server. For several, write {_FORMS}.")
    return Location(
        kind=kind,
        addresses=addresses,
        service=service,
        options=options,
        sentinel_options={**{k: v for k, v in options.items() if k.startswith("ssl")}, **sentinel},
        tls=scheme in ("rediss", "valkeys"),
        min_replicas=min_replicas,
        allow_eviction=allow_eviction,
    )


def _unix(path: str) -> tuple[Address, ...]:
    if not path:
        raise ConfigurationError("unix:// needs the socket's path: unix:///run/redis/redis.sock")
    return ((unquote(path), 0),)


def _addresses(hosts: str, port: int) -> tuple[Address, ...]:
    found = []
    for one in hosts.split(",") if hosts else ["localhost"]:
        match = _HOST(one)
        if match is None or int(match[2] or 1) > 65535:
            # Not repeated: where a password has a slash in it, this is the password.
            raise ConfigurationError(
                f"The URL of Redis has no host and port that can be read. Write host:{port}; in a password write "
                "/ ? # @ as %2F %3F %23 %40."
            )
        found.append((unquote(match[1].strip("[]")), int(match[2] or port)))
    return tuple(found)


def _service(path: str) -> tuple[str, str]:
    service, _, database = path.strip("/").partition("/")
    if not service:
        raise ConfigurationError(
            "redis+sentinel:// needs the name under which the Sentinels watch the primary: "
            "redis+sentinel://host:26379/mymaster"
        )
    return unquote(service), database


def _whole(name: str, value: str) -> int:
    if not value.isdecimal() or int(value) > 100:
        raise ConfigurationError(f"{name}={value} in the URL of Redis: give a whole number from 0 to 100.")
    return int(value)


def _flag(name: str, value: str) -> bool:
    if value not in ("true", "false"):
        raise ConfigurationError(f"{name}={value} in the URL of Redis: write true, or leave it away.")
    return value == "true"
