"""StoreContract over every store of ours, for threads and for an event loop."""

from pathlib import Path
from tempfile import TemporaryDirectory

from sojourn.store import Store
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore
from sojourn.stores.sqlite import AsyncSQLiteStore, SQLiteStore
from sojourn.testing import StoreContract, blocking


class TestMemoryStore(StoreContract):
    def make_store(self) -> Store:
        return MemoryStore()


class TestAsyncMemoryStore(StoreContract):
    def make_store(self) -> Store:
        return blocking(AsyncMemoryStore())


class OnDisk(StoreContract):
    """Each store in a folder of its own, which goes with the test."""

    def setup_method(self) -> None:
        self.folder = TemporaryDirectory()
        self.path = Path(self.folder.name, "sessions.sqlite3")
        super().setup_method()

    def teardown_method(self) -> None:
        super().teardown_method()
        self.folder.cleanup()


class TestSQLiteStore(OnDisk):
    def make_store(self) -> Store:
        return SQLiteStore(self.path)


class TestAsyncSQLiteStore(OnDisk):
    def make_store(self) -> Store:
        return blocking(AsyncSQLiteStore(self.path))
