"""Strategies for JSON values: all that a session can hold, and small ones that meet often."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
)

json_values: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=10
)

small_leaves: st.SearchStrategy[Any] = st.sampled_from([None, True, False, 0, 1, 2, 1.0, "", "x"])
small_keys = st.sampled_from(["a", "b", "c"])
small_values: st.SearchStrategy[Any] = st.recursive(
    small_leaves,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(small_keys, inner, max_size=3),
    max_leaves=6,
)
