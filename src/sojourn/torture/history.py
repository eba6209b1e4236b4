"""History: all that was asked of a store in a storm, with when, and what came of it; a file keeps it as JSON lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Literal

import msgspec

from sojourn.core.errors import ConfigurationError, EndReason
from sojourn.core.session import Status

__all__ = ["Fault", "Heading", "History", "Listed", "Operation", "Outcome", "Saw", "read_histories", "write_history"]

FORMAT: Literal[1] = 1

Outcome = Literal["ok", "refused", "unknown"]


class Saw(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a read found: whose session it is, the `values` that were appended, and the sum of the counts."""

    status: Status
    user: str | None = None
    reason: EndReason | None = None
    values: tuple[str, ...] = ()
    count: int = 0


class Listed(msgspec.Struct, frozen=True, array_like=True):
    """A session in a user's list: its id, and the name of the log-in that made it, which it has as its user agent."""

    id: str
    name: str


class Operation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Something that a client asked for. Times are seconds of one clock that all processes of a history share.

    A client asks for one thing after the other, numbered. `unknown`: it may have happened, at any time since it was
    asked, or not; `completed` is None where the client was killed. `write` appends a value that is the operation's
    name, `count` adds 1, `read` holds what it `saw`; `login` makes `session`, under the cap `limit`, in the place of
    `replaces`, and `ended` what was over the cap; `end` ends `session`, or without one all of the user's.
    """

    client: str
    number: int
    process: int
    kind: Literal["write", "count", "read", "login", "end", "list"]
    invoked: float
    completed: float | None = None
    outcome: Outcome = "unknown"
    session: str | None = None
    user: str | None = None
    replaces: str | None = None
    ended: tuple[str, ...] = ()
    limit: int | None = None
    reason: EndReason | None = None
    saw: Saw | None = None
    listed: tuple[Listed, ...] = ()

    @property
    def name(self) -> str:
        """What no other operation is called: a value, and the mark of a session."""
        return f"{self.client}:{self.number}"


class Fault(msgspec.Struct, frozen=True, array_like=True):
    """What went wrong on purpose, and when."""

    at: float
    what: str


class Heading(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line. `history` is the format; `staleness`: for how many seconds the store's cache may be behind."""

    history: Literal[1] = FORMAT
    race: str
    staleness: float
    faults: tuple[Fault, ...] = ()


class History(msgspec.Struct, frozen=True):
    """One storm, in the order in which it was asked."""

    heading: Heading
    operations: Sequence[Operation]


_operation = msgspec.json.Decoder(Operation).decode
_heading = msgspec.json.Decoder(Heading).decode


def write_history(file: IO[bytes], history: History) -> None:
    """Append a history to a file: its heading, and a line for each operation."""
    encoder = msgspec.json.Encoder()
    for line in (history.heading, *history.operations):
        file.write(encoder.encode(line) + b"\n")
    file.flush()


def read_histories(path: Path) -> Sequence[History]:
    """The histories in a file. Raises ConfigurationError, with the number of the line, for what is none."""
    try:
        with path.open("rb") as file:
            histories = list(_histories(file))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}.") from None
    except msgspec.MsgspecError as error:
        raise ConfigurationError(f"{path} is no history of `sojourn torture --history`: {error}") from None
    if not histories:
        raise ConfigurationError(f"{path} is empty: there is no history in it.")
    return histories


def _histories(file: IO[bytes]) -> Iterator[History]:
    heading: Heading | None = None
    operations: list[Operation] = []
    for number, line in enumerate(file, 1):
        try:
            # The first line is a heading, or is refused as none.
            if heading is None or line.startswith(b'{"history":'):
                if heading:
                    yield History(heading, operations)
                heading, operations = _heading(line), []
            else:
                operations.append(_operation(line))
        except msgspec.MsgspecError as error:
            raise msgspec.MsgspecError(f"line {number}: {error}") from None
    if heading:
        yield History(heading, operations)
