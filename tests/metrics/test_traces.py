"""Spans, as OpenTelemetry's own SDK exports them: what was asked in which order, and nobody is named."""

from __future__ import annotations

from typing import Any, cast

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import CollectorRegistry, generate_latest

from sojourn import (
    AsyncSessionManager,
    ConfigurationError,
    Policy,
    SessionLimitReached,
    SessionManager,
    StoreUnavailable,
    open_store,
)
from sojourn.metrics import Metrics
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore
from sojourn.traces import Traces
from tests.frames import require_no_secret
from tests.metrics.exposed import series
from tests.unit.blocking import Blocking

KINDS = ["threads", "event loop"]


class Traced:
    """An observed manager of either kind, and its spans."""

    def __init__(self, kind: str, policy: Policy | None = None, store: MemoryStore | None = None) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.traces = Traces(provider)
        store = store or MemoryStore()
        if kind == "threads":
            self.manager = self.traces.observe(SessionManager(store, policy))
        else:
            found = self.traces.observe(AsyncSessionManager(AsyncMemoryStore(store), policy))
            self.manager = cast(SessionManager, Blocking(found))

    def log_in(self) -> str:
        session = self.manager.anonymous()
        session.login("hildegard")
        token = self.manager.commit(session).token
        assert token is not None
        return token.reveal()

    def told(self) -> list[tuple[str, str | None, Any]]:
        """The name of each span, of the one around it, and the outcome, in the order of their beginnings."""
        spans = sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time or 0)
        names = {span.context.span_id: span.name for span in spans if span.context}
        self.exporter.clear()
        return [
            (
                span.name,
                names[span.parent.span_id] if span.parent else None,
                (span.attributes or {}).get("sojourn.outcome"),
            )
            for span in spans
        ]


@pytest.fixture(params=KINDS)
def site(request: pytest.FixtureRequest) -> Traced:
    return Traced(request.param, Policy(max_sessions=1, on_limit="refuse"))


def test_a_request_is_an_open_a_commit_and_in_them_what_the_store_was_asked(site: Traced) -> None:
    token = site.log_in()
    session = site.manager.open(token)
    session["bag"] = ["tea"]
    site.manager.commit(session)
    site.manager.revoke(token[4:36])
    site.manager.open(token)

    assert site.told() == [
        ("sojourn.commit", None, None),
        ("sojourn.store.create", "sojourn.commit", None),
        ("sojourn.open", None, "live"),
        ("sojourn.store.get", "sojourn.open", None),
        ("sojourn.commit", None, None),
        ("sojourn.store.commit", "sojourn.commit", None),
        ("sojourn.store.end", None, None),
        ("sojourn.open", None, "ended: revoked"),
        ("sojourn.store.get", "sojourn.open", None),
    ]


def test_two_requests_at_once_show_as_a_refused_write_and_another(site: Traced) -> None:
    token = site.log_in()
    one, other = site.manager.open(token), site.manager.open(token)
    one["bag"], other["bag"] = ["tea"], ["cup"]
    site.manager.commit(one)
    site.told()
    site.manager.commit(other)

    assert site.told() == [
        ("sojourn.commit", None, None),
        ("sojourn.store.commit", "sojourn.commit", "refused"),
        ("sojourn.store.commit", "sojourn.commit", None),
    ]


def test_a_refusal_is_an_outcome_and_no_failure(site: Traced) -> None:
    site.log_in()
    with pytest.raises(SessionLimitReached):
        site.log_in()

    spans = site.exporter.get_finished_spans()
    assert {span.status.status_code for span in spans} == {StatusCode.UNSET}
    assert site.told()[-2:] == [
        ("sojourn.commit", None, "session-limit"),
        ("sojourn.store.create", "sojourn.commit", "session-limit"),
    ]


def test_a_store_that_is_away_is_a_failure_and_brings_no_traceback_along() -> None:
    site = Traced("threads")
    manager = site.traces.observe(SessionManager(open_store("redis://127.0.0.1:1/0", timeout=0.5)))
    with pytest.raises(StoreUnavailable):
        manager.open("sj1-" + "0" * 32 + "-" + "0" * 64)

    spans = site.exporter.get_finished_spans()
    assert [(span.name, span.status.status_code, span.events) for span in spans] == [
        ("sojourn.store.get", StatusCode.ERROR, ()),
        ("sojourn.open", StatusCode.ERROR, ()),
    ]
    assert [span.kind for span in spans] == [SpanKind.CLIENT, SpanKind.INTERNAL]
    manager.close()


def test_no_span_names_a_user_a_session_or_a_token(site: Traced) -> None:
    token = site.log_in()
    site.manager.open(token)
    site.manager.list("hildegard")

    told = "".join(span.to_json() for span in site.exporter.get_finished_spans())
    assert "sojourn.store.list" in told
    for named in ("hildegard", token[4:36], token[37:]):
        assert named not in told


@pytest.mark.parametrize("kind", KINDS)
def test_no_frame_of_a_failed_open_holds_the_token(kind: str) -> None:
    class Broken(MemoryStore):
        def get(self, id: str) -> Any:
            raise RuntimeError("This store is broken.")

    token = Traced(kind).log_in()
    with pytest.raises(RuntimeError) as failed:
        Traced(kind, store=Broken()).manager.open(token)

    assert require_no_secret(failed.value, token) > 1


def test_a_manager_can_be_counted_and_traced_and_neither_of_them_twice() -> None:
    site, registry = Traced("threads"), CollectorRegistry()
    metrics = Metrics(registry)
    both = site.traces.observe(metrics.observe(SessionManager(MemoryStore())))
    both.open("sj1-" + "0" * 32 + "-" + "0" * 64)

    assert series(generate_latest(registry).decode())['sojourn_opens_total{outcome="none"}'] == 1
    assert site.told() == [("sojourn.open", None, "none"), ("sojourn.store.get", "sojourn.open", None)]
    for twice in (metrics, site.traces):
        with pytest.raises(ConfigurationError, match="observed already"):
            twice.observe(both)
