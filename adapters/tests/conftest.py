"""A session service, and over a relay a site of each language, for tests that put each language to each sentence."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from adapters.tests.relay import Relay
from adapters.tests.session_service import SessionService
from adapters.tests.sites import Site, each_kind
from adapters.tests.visitor import Visitor
from tests.service.backend import Backend


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SessionService]:
    with SessionService(tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture(scope="module")
def relay(service: SessionService) -> Iterator[Relay]:
    with Relay(service.port) as relay:
        yield relay


@pytest.fixture(scope="module", params=each_kind)
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, service: SessionService, relay: Relay
) -> Iterator[Site]:
    with Site(request.param, tmp_path_factory.mktemp("site"), relay.url, service.key) as site:
        yield site


@pytest.fixture
def visitor(site: Site) -> Visitor:
    """A new one."""
    return site.visitor()


@pytest.fixture
def backend(service: SessionService) -> Iterator[Backend]:
    """Another back end on the same service."""
    with Backend(service.port, service.key) as backend:
        yield backend
