"""The contract's third part: clean-up, and looking around."""

from __future__ import annotations

from sojourn.core.record import Secrets
from sojourn.core.store import End, Store

from .records import HOUR, MINUTE, NOW, ids, live, put

__all__ = ["UpkeepContract"]


class UpkeepContract:
    """Mixed into StoreContract."""

    store: Store

    def test_clean_up_deletes_what_is_dead_for_long_in_batches(self) -> None:
        """Ended or run out; the live stay."""
        alive = put(self.store, "ada", absolute_expires_at=NOW + 99 * HOUR, idle_timeout=99 * HOUR)
        ended, run_out = put(self.store, "ada"), put(self.store)
        self.store.end(End(ended.id, "logout", NOW + 1))
        recent = put(self.store, "ada", idle_timeout=9 * HOUR)
        self.store.end(End(recent.id, "logout", NOW + 2 * HOUR))

        assert self.store.delete_expired(NOW, 10) == 0
        assert self.store.delete_expired(NOW + HOUR, 1) == 1
        assert self.store.delete_expired(NOW + HOUR, 10) == 1
        assert [self.store.get(record.id) is None for record in (ended, run_out)] == [True, True]
        assert live(self.store, recent.id).end_reason == "logout"
        assert ids(self.store, "ada") == [alive.id]

    def test_scan_pages_through_all_in_order(self) -> None:
        """Dead ones too."""
        records = [put(self.store) for _ in range(5)]
        self.store.end(End(records[0].id, "logout", NOW))
        first = self.store.scan("", 3)
        second = self.store.scan(first[-1].id, 3)

        assert [record.id for record in [*first, *second]] == sorted(record.id for record in records)

    def test_stats_count(self) -> None:
        """Live, ended, run out; the users among the live, and how many of these are bound to a key."""
        key = {"key_thumbprint": "abc", "nonce_key": "def"}
        put(self.store, "ada"), put(self.store, "ada", **key), put(self.store, device='"key_thumbprint":"abc","key":')
        put(self.store, "ada", nonce_key="def"), put(self.store, secrets=Secrets(b"f" * 16, b"c" * 16, NOW, key="e"))
        self.store.end(End(put(self.store, "bob", **key).id, "logout", NOW))
        put(self.store, "eve", idle_timeout=1, **key)
        stats = self.store.stats(NOW + MINUTE)

        assert (stats.live, stats.ended, stats.expired, stats.users, stats.bound) == (5, 1, 1, 1, 2)
