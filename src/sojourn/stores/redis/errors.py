"""Refusal: an error that Redis answered with, in words that say what to do. No I/O."""

from __future__ import annotations

from redis.exceptions import ResponseError

__all__ = ["code_of", "explained", "is_refusal", "may_pass"]

# The server refused before it did anything, and later, or elsewhere, it may do it.
_LATER = ("BUSY", "LOADING", "MASTERDOWN", "CLUSTERDOWN", "TRYAGAIN", "READONLY")

_BY_CODE = {
    "OOM": "it is out of memory. Raise maxmemory, or let fewer sessions live",
    "MISCONF": "it cannot write its snapshot to disk, so it takes no writes",
    "NOREPLICAS": "fewer replicas are there than min-replicas-to-write asks for",
    "READONLY": "it is a replica, and takes no writes",
    "NOAUTH": "it asks for a password. Put it in the URL: redis://:password@host",
    "WRONGPASS": "the user or the password in the URL is wrong",
    "NOPERM": "its ACL does not let this user do that: sessions need ~sj:* and the commands in docs/stores/redis.md",
}
_BY_WORDS = (
    ("max number of clients", "it has as many connections as its `maxclients` allows"),
    ("DB index is out of range", "it has no database of that number. They are counted from 0, up to its `databases`"),
    ("unknown command 'GET'", "it is a Sentinel. Write redis+sentinel://host:26379/mymaster"),
    ("unknown command 'EVALSHA'", "it is a Sentinel. Write redis+sentinel://host:26379/mymaster"),
    ("unknown command 'SENTINEL'", "it is no Sentinel. Write redis://host:6379"),
    ("cluster support disabled", "it is no node of a Cluster. Write redis://host:6379"),
    ("No such master with that name", "the Sentinels watch no primary of that name"),
)


def is_refusal(error: object) -> bool:
    """Whether the server itself said that; redis-py tells some of it as if the connection were broken."""
    return isinstance(error, ResponseError) or getattr(error, "status_code", None) is not None


def code_of(error: Exception) -> str:
    """Its first word, by which Redis tells one kind from another."""
    return getattr(error, "status_code", None) or str(error).partition(" ")[0]


def may_pass(error: Exception) -> bool:
    """Whether another trial may succeed, there or at another server, with nothing mended."""
    return code_of(error) in _LATER or "max number of clients" in str(error)


def explained(error: Exception) -> str:
    """What it means. Of what nobody foresaw the server's own words, without those that it repeats of ours."""
    words = str(error).partition(", with args")[0]
    for part, meaning in _BY_WORDS:
        if part in words.replace("`", "'"):
            return meaning
    return _BY_CODE.get(code_of(error)) or words[:200].rstrip(".")
