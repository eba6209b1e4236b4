"""Call: one command for Redis, and what may be done about it when the answer does not come."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import Any, TypeVar

import hiredis
import msgspec

from .script import Script

__all__ = ["PING", "Address", "Call", "Steps", "command", "pack", "run"]

Address = tuple[str, int]
"""A node's host and port; a unix socket's path and 0."""

T = TypeVar("T")
Steps = Generator[Sequence["Call"], Sequence[Any], T]
"""An operation of the store: it yields calls that may travel together, is sent their answers, and returns."""


class Call(msgspec.Struct, frozen=True):
    """One command, packed, for the node that has `key`, or for `node` itself.

    `repeatable`: made twice it does no harm, so it may be sent again where nobody knows whether it was made.
    `durable`: it changes what must survive a failover. `patient`: worth a wait for a server that may come to take it.
    `script`: what to send whole where its name is not known.
    """

    key: str
    packed: bytes
    repeatable: bool
    durable: bool = False
    patient: bool = True
    script: tuple[Script, tuple[str | bytes | int, ...]] | None = None
    node: Address | None = None

    def whole(self) -> bytes:
        """The command with the script's text in it."""
        assert self.script is not None
        return pack("EVAL", self.script[0].text, *self.script[1])


def pack(*words: str | bytes | int) -> bytes:
    """A command as Redis reads it."""
    # Its types say a tuple of one; it takes any number.
    return hiredis.pack_command(words)  # type: ignore[arg-type, no-any-return]


PING = pack("PING")


def command(key: str, *words: str | bytes | int, node: Address | None = None) -> Call:
    """A command that only reads."""
    return Call(key, pack(*words), repeatable=True, node=node)


def run(
    script: Script,
    keys: Sequence[str],
    *args: str | bytes | int,
    repeatable: bool,
    durable: bool = True,
    patient: bool = True,
) -> Call:
    """A script, by its name."""
    words = (len(keys), *keys, *args)
    return Call(keys[0], pack("EVALSHA", script.sha, *words), repeatable, durable, patient, (script, words))
