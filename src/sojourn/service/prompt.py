"""Prompt: what is answered as soon as it is read, past the server's own way, as nothing is to be waited for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping

from sojourn.wire.http import BATCH, COMMIT, JSON, LINES, OPEN

from .acting_key import acting_key
from .batch import CallBatch, TellProblem
from .keyring import Keyring
from .request import key_and_kind
from .service_endpoints import ServiceEndpoints
from .unfinished import Unfinished, begin

__all__ = ["BEGUN", "Prompt"]

logger = logging.getLogger("sojourn.service")

BEGUN = "sojourn.begun"
"""Under this name the scope of a request has what was begun of its answer."""

Answer = bytes | Unfinished[bytes] | CallBatch | None

_JSON, _LINES = JSON.encode(), LINES.encode()


class Prompt:
    """Of a store that never waits: opens, commits and batches. Of a cache: opens of what it has. Else nothing."""

    def __init__(
        self, endpoints: ServiceEndpoints, keys: Keyring, tell: TellProblem, *, never_waits: bool, has_cache: bool
    ) -> None:
        self._keys = keys
        # An open of what a cache has tells nobody of anything.
        self._acts = never_waits
        # Of each path, the media type that it takes, and what answers.
        self._ways: Mapping[bytes, tuple[bytes, Callable[[bytes], Answer]]] = {}
        if never_waits:
            self._ways = {
                OPEN.encode(): (_JSON, lambda body: begin(endpoints.opened(body))),
                COMMIT.encode(): (_JSON, lambda body: begin(endpoints.committed(body))),
                BATCH.encode(): (_LINES, lambda body: _begun(endpoints.batched(body), tell)),
            }
        elif has_cache:
            # Without one everything must wait, and to try would only cost.
            self._ways = {OPEN.encode(): (_JSON, endpoints.open_at_hand)}

    def takes(self, path: bytes) -> bool:
        """Whether a POST to this path may be answered here."""
        return path in self._ways

    def answer(self, path: bytes, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> Answer:
        """What a POST to a path that it takes is answered, with status 200.

        Else what was begun, for the service to go on with; or None, of what is refused or to be logged: nothing of it
        was done. Raises RequestRefused for a body that is wrong.
        """
        taken, way = self._ways[path]
        authorization, kind = key_and_kind(headers)
        if kind != taken or logger.isEnabledFor(logging.DEBUG):
            return None
        if self._keys.refusal(authorization, "sessions"):
            return None
        if not self._acts:
            return way(body)
        # Only for now: what goes on later does so in the context of its request.
        before = acting_key.set(self._keys.id_of(authorization))
        try:
            return way(body)
        finally:
            acting_key.reset(before)


def _begun(batch: CallBatch, tell: TellProblem) -> bytes | CallBatch:
    return batch.begin(tell) or batch
