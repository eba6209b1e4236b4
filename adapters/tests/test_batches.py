"""Requests at one time, whose opens and commits travel together: in every language that sends batches."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from adapters.tests.relay import Relay
from adapters.tests.session_service import SessionService
from adapters.tests.sites import Site, each_kind
from adapters.tests.visitor import Answer, Visitor
from tests.service.backend import Backend

AT_ONCE = 16
ROUNDS = 5
TRIES = 20


@pytest.fixture(
    scope="module", params=[kind for kind in each_kind if kind.values[0] in ("express", "aspnetcore", "asgi")]
)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, service: SessionService, relay: Relay
) -> Iterator[Site]:
    with Site(request.param, tmp_path_factory.mktemp("site"), relay.url, service.key) as site:
        yield site


@pytest.fixture(autouse=True)
def far_service(relay: Relay) -> Iterator[None]:
    """A service whose answers take a while, so that others come meanwhile."""
    relay.delay = 0.02
    yield
    relay.delay, relay.break_batches = 0.0, 0


def test_who_waits_for_an_answer_finds_what_it_wrote_though_it_travels_in_another_batch(
    site: Site, relay: Relay
) -> None:
    def count(visitor: Visitor) -> list[int]:
        """What each of its requests, one after the other, takes for the sum."""
        return [visitor.do(["increment", "count"]).results[0] for _ in range(ROUNDS)]

    visitors = [site.visitor() for _ in range(AT_ONCE)]
    relay.forget()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        counted = [*pool.map(count, visitors)]

    assert counted == [[*range(1, ROUNDS + 1)]] * AT_ONCE
    # They did travel together, and those of one visitor in different batches.
    assert relay.paths.count("/v1/batch") >= ROUNDS
    assert relay.commits == AT_ONCE * ROUNDS


def test_where_a_connection_dies_amid_a_batch_no_commit_is_sent_twice_and_no_reader_notices(
    site: Site, relay: Relay, backend: Backend
) -> None:
    writer, reader = site.visitor(), site.visitor()
    assert writer.do(["login", f"ada-{site.kind}"], ["set", "count", 0]).status == 200
    assert reader.do(["login", f"bob-{site.kind}"]).status == 200
    written: list[Answer] = []
    relay.forget()
    relay.break_batches = 1
    with ThreadPoolExecutor(2 * AT_ONCE) as pool:
        for _ in range(TRIES):
            reads = [pool.submit(reader.do, ["facts"]) for _ in range(AT_ONCE)]
            writes = [pool.submit(writer.do, ["increment", "count"]) for _ in range(AT_ONCE)]
            assert {each.result().results[0]["user_id"] for each in reads} == {f"bob-{site.kind}"}
            written += [each.result() for each in writes]
            if not relay.break_batches:
                break

    assert relay.break_batches == 0
    written.append(writer.do(["increment", "count"]))
    told = [answer.status for answer in written]
    assert set(told) == {200, 503}
    assert {answer.code for answer in written if answer.status == 503} == {"store-unavailable"}
    assert relay.commits == len(written)
    assert writer.token is not None
    assert told.count(200) <= backend.open(writer.token)["session"]["data"]["count"] <= len(written)
