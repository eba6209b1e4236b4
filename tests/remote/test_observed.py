"""A remote manager can be counted and traced as any other: what it asked the service, and what it was refused."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from sojourn import DataTooLarge
from sojourn.metrics import Metrics
from sojourn.remote import AsyncRemoteSessionManager, RemoteSessionManager
from tests.metrics.exposed import series

from .service import OnLoop, Service, begin


@pytest.mark.parametrize("kind", ["threads", "event loop"])
def test_its_opens_and_refusals_are_counted(kind: str, strict: Service) -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry)
    if kind == "threads":
        manager: Any = metrics.observe(RemoteSessionManager(strict.url, strict.key))
    else:
        manager = OnLoop(metrics.observe(AsyncRemoteSessionManager(strict.url, strict.key)))
    with closing(manager):
        token = begin(manager, theme="dark")
        session = manager.open(token)
        session["theme"] = "x" * 3000
        with pytest.raises(DataTooLarge):
            manager.commit(session)
        manager.open("nonsense")

    told = series(generate_latest(registry).decode())
    assert told['sojourn_opens_total{outcome="live"}'] == 1
    assert told['sojourn_opens_total{outcome="none"}'] == 1
    assert told['sojourn_refusals_total{cause="data-too-large"}'] == 1
