"""For people who write a store: the contract as tests, plain asserts, to be run by pytest.

    from sojourn.testing import StoreContract, blocking

    class TestMyStore(StoreContract):
        def make_store(self):
            return MyStore(...)            # or blocking(AsyncMyStore(...))

What passes it is a store.
"""

from .blocking import blocking
from .contract import StoreContract
from .records import NOW, make_record

__all__ = ["NOW", "StoreContract", "blocking", "make_record"]
