"""The stores. Import the one you use: `from sojourn.stores.sqlite import AsyncSQLiteStore`."""
