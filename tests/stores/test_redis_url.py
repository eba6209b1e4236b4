"""What a URL of Redis says, and what is told where it says nothing sensible."""

from __future__ import annotations

from typing import Any

import pytest

from sojourn import ConfigurationError
from sojourn.stores.redis import AsyncRedisStore, RedisStore
from sojourn.stores.redis.url import parse


@pytest.mark.parametrize(
    ("url", "kind", "addresses", "options"),
    [
        ("redis://", "redis", [("localhost", 6379)], {}),
        ("redis://h:1/2", "redis", [("h", 1)], {"db": 2}),
        ("redis://:p%40ss@[::1]:7/0", "redis", [("::1", 7)], {"db": 0, "password": "p@ss"}),
        ("redis://u:p@h/0?socket_read_size=9", "redis", [("h", 6379)], {"username": "u", "password": "p", "db": 0}),
        ("unix:///run/redis.sock?db=3", "redis", [("/run/redis.sock", 0)], {"db": 3}),
        ("unix://u:p@/run/redis.sock", "redis", [("/run/redis.sock", 0)], {"username": "u", "password": "p"}),
        ("redis+cluster://a:1,b,[::1]:3", "cluster", [("a", 1), ("b", 6379), ("::1", 3)], {}),
        ("rediss+cluster://u:p@a:1/0", "cluster", [("a", 1)], {"username": "u", "password": "p", "db": 0}),
        ("redis+sentinel://a,b:2/main/4", "sentinel", [("a", 26379), ("b", 2)], {"db": 4}),
        ("valkey://u:p@h:1/2", "redis", [("h", 1)], {"username": "u", "password": "p", "db": 2}),
        ("valkeys+cluster://a:1", "cluster", [("a", 1)], {}),
        ("valkey+sentinel://a/main", "sentinel", [("a", 26379)], {}),
    ],
)
def test_a_url_names_nodes_and_how_to_enter(
    url: str, kind: str, addresses: list[tuple[str, int]], options: dict[str, Any]
) -> None:
    location = parse(url)

    assert (location.kind, list(location.addresses)) == (kind, addresses)
    assert {name: location.options.get(name) for name in options} == options
    assert location.tls == url.startswith(("rediss", "valkeys"))


def test_sentinels_have_a_login_of_their_own() -> None:
    location = parse("rediss+sentinel://u:p@a/main?sentinel_password=s&ssl_ca_certs=ca.pem")

    assert location.service == "main"
    assert location.sentinel_options == {"password": "s", "ssl_ca_certs": "ca.pem"}
    assert location.options == {"username": "u", "password": "p", "ssl_ca_certs": "ca.pem"}


def test_replicas_to_wait_for_are_in_the_url() -> None:
    assert parse("redis://h?min_replicas=2").min_replicas == 2


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("redis:/h", "no URL of Redis"),
        ("redis+ring://h", "no URL of Redis"),
        ("redis://a,b", "names one server"),
        ("redis://h:70000", "no host and port that can be read"),
        ("redis://[h", "no host and port that can be read"),
        ("redis://u:hidden/@h", "no host and port that can be read"),
        ("redis://u:hidden@h:x", "no host and port"),
        ("unix://", "needs the socket's path"),
        ("redis+sentinel://h", "needs the name"),
        ("redis+cluster://h/2", "has one database"),
        ("redis://h?min_replicas=many", "a whole number from 0 to 100"),
        ("redis://h?socket_timeout=soon", "socket_timeout"),
        ("redis://h?hidden=1", "an option that redis-py has not"),
        ("redis://h/mydb", "A database of Redis is a number"),
        ("redis://h/0/1", "A database of Redis is a number"),
        ("redis+sentinel://h/main/mydb", "A database of Redis is a number"),
        ("rediss://h?ssl_cert_reqs=CERT_NONE", "Write none, optional or required"),
    ],
)
@pytest.mark.parametrize("store", [RedisStore, AsyncRedisStore])
def test_a_mistake_is_told_at_once_and_no_password_with_it(
    url: str, told: str, store: type[RedisStore] | type[AsyncRedisStore]
) -> None:
    with pytest.raises(ConfigurationError, match=told) as raised:
        store(url)
    assert "u:hidden" not in str(raised.value)
