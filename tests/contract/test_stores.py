"""StoreContract over every store of ours, for threads and for an event loop."""

from __future__ import annotations

from pathlib import Path

import pytest

from sojourn.testing import StoreContract
from tests.store_kinds import KINDS, open_kind


class TestStore(StoreContract):
    @pytest.fixture(params=KINDS, autouse=True)
    def _open(self, request: pytest.FixtureRequest, tmp_path: Path) -> None:
        self.store = open_kind(request.param, request, tmp_path)

    def setup_method(self) -> None:
        """The fixture opens it."""
