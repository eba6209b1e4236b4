"""Opens and commits that go together: the lines of the body of /v1/batch, and those of its answer."""

from __future__ import annotations

from typing import Final

import msgspec

from .requests import CommitRequest, OpenRequest

__all__ = ["MAX_BATCH_BYTES", "MAX_CALLS", "BatchedAnswer", "BatchedCall"]

MAX_CALLS: Final = 128
MAX_BATCH_BYTES: Final = 1024 * 1024


class BatchedCall(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of a batch: the body of /v1/open or of /v1/commit, one of the two, by its name."""

    open: OpenRequest | None = None
    commit: CommitRequest | None = None

    def __repr__(self) -> str:
        # There is a token in it, and a traceback's frames are sent to who collects errors.
        return "BatchedCall(hidden)"


class BatchedAnswer(msgspec.Struct, frozen=True):
    """One line of the answer: which call it is to, from 0, and what the call would have been answered alone."""

    call: int
    status: int
    answer: msgspec.Raw

    def __repr__(self) -> str:
        return f"BatchedAnswer({self.call}, {self.status}, hidden)"
