"""An empty PostgreSQL database with Sojourn's tables, and how properties are searched: without a deadline."""

from __future__ import annotations

import pytest
from hypothesis import settings

from sojourn.stores.postgres import migrate
from tests.servers.postgres import PostgresServer

settings.register_profile("stores", deadline=None, print_blob=True)
settings.load_profile("stores")


@pytest.fixture
def database(postgres: PostgresServer) -> str:
    """Its conninfo."""
    conninfo = postgres.new_database()
    migrate(conninfo)
    return conninfo
