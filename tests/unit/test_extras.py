"""Extras: how a missing one is installed."""

from __future__ import annotations

from sojourn.core.extras import install


def test_it_is_installed_from_a_checkout_as_no_index_has_the_package() -> None:
    assert install("redis") == "pip install '.[redis]' in a checkout of Sojourn"
