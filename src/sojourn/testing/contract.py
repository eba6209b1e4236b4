"""StoreContract: what every store promises, as tests. A store is what passes it."""

from __future__ import annotations

from sojourn.core.store import Store

from .cleanup import UpkeepContract
from .commits import CommitContract
from .contract_races import RaceContract
from .endings import EndContract
from .instants import InstantContract

__all__ = ["StoreContract"]


class StoreContract(CommitContract, EndContract, InstantContract, UpkeepContract, RaceContract):
    """Subclass it as `TestSomething`, and give it `make_store`: a new, empty store at each call."""

    store: Store

    def make_store(self) -> Store:
        """A new, empty store."""
        raise NotImplementedError("StoreContract needs make_store().")

    def setup_method(self) -> None:
        """Each test has a store of its own."""
        self.store = self.make_store()

    def teardown_method(self) -> None:
        """And closes it."""
        self.store.close()
