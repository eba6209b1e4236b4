"""Observed: a manager like another one, and a store, whose calls somebody watches. What metrics and traces share."""

from .likeness import like
from .store import ObservedStore, Watch, observed_store

__all__ = ["ObservedStore", "Watch", "like", "observed_store"]
