"""Exposition: what Prometheus reads at /metrics, of one process or of all of the service's."""

from __future__ import annotations

import asyncio
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from sojourn.asgi.exchange import encode_headers, find_headers
from sojourn.asgi.types import Receive, Scope, Send
from sojourn.core.errors import ConfigurationError
from sojourn.core.extras import install
from sojourn.core.problem import NOSNIFF

from .keyring import Keyring
from .refusal import key_refused, method_refused

if TYPE_CHECKING:
    from sojourn.metrics import Metrics

__all__ = ["Exposition", "require_prometheus", "shared_folder"]

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
TRIES, PAUSE = 20, 0.05


def require_prometheus() -> None:
    """Raise ConfigurationError where prometheus-client is missing."""
    if find_spec("prometheus_client") is None:
        raise ConfigurationError(f"metrics = true needs prometheus-client: {install('metrics')}")


@contextmanager
def shared_folder(wanted: bool) -> Iterator[None]:
    """The folder by which several processes share their numbers, gone at the end: unless one is given outside."""
    if not wanted or FOLDER in os.environ:
        yield
        return
    with TemporaryDirectory(prefix="sojourn-metrics-") as folder:
        # Before prometheus-client is loaded, which looks for it once; the workers inherit it.
        os.environ[FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[FOLDER]


class Exposition:
    """Answers METRICS with what `metrics` counts, in this process and those beside it, to a key of that scope."""

    def __init__(self, keys: Keyring, metrics: Metrics) -> None:
        self._keys = keys
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a scrape. Raises RequestRefused for one that may not read it."""
        if scope["method"] not in ("GET", "HEAD"):
            raise method_refused(["GET"])
        headers = find_headers(scope["headers"])
        refusal = self._keys.refusal(headers.get(b"authorization", b""), "metrics")
        if refusal is not None:
            raise key_refused(refusal)
        # In a thread: the files of several processes are read.
        body, kind = await asyncio.to_thread(self._render, headers.get(b"accept", b"").decode("latin-1"))
        told = [("content-type", kind), ("cache-control", "no-store"), NOSNIFF, ("content-length", str(len(body)))]
        await send({"type": "http.response.start", "status": 200, "headers": encode_headers(told)})
        await send({"type": "http.response.body", "body": body})

    def _render(self, accept: str) -> tuple[bytes, str]:
        """What is told, and its media type, in the form that `accept` asks for."""
        from prometheus_client import REGISTRY, CollectorRegistry
        from prometheus_client.exposition import choose_encoder
        from prometheus_client.multiprocess import MultiProcessCollector

        encode, kind = choose_encoder(accept)
        if FOLDER not in os.environ:
            return encode(REGISTRY), kind
        self._metrics.hand_on()
        _forget_the_dead(Path(os.environ[FOLDER]))
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
        for _ in range(TRIES):
            # A worker that just starts makes its files, each of which is empty for a moment.
            with suppress(OSError, struct.error, ValueError):
                return encode(registry), kind
            time.sleep(PAUSE)
        return encode(registry), kind


def _forget_the_dead(folder: Path) -> None:
    """What a worker that was killed had in its cache is told no more. What it counted is, as counters only grow."""
    from prometheus_client.multiprocess import mark_process_dead

    for pid in {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*_*.db")}:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            with suppress(FileNotFoundError):  # another worker was quicker
                mark_process_dead(pid)  # type: ignore[no-untyped-call]
