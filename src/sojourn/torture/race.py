"""Race: what is run, on a store or on an application, and how its result is made."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Generic, Literal, NamedTuple, TypeVar

from sojourn.core.errors import StoreUnavailable

from .result import Result, Tally
from .worker_pool import RaceError

__all__ = ["Race", "run_race"]

C = TypeVar("C")


class Race(NamedTuple, Generic[C]):
    """One race. `lost` says what a try that is lost means, after "of so many tries"; `needs` what not every run has.

    A storm has a history.
    """

    name: str
    run: Callable[[C], Tally]
    lost: str
    needs: Literal["processes", "address", "slow write"] | None = None
    is_storm: bool = False

    @property
    def meaning(self) -> str:
        """What happens in it."""
        return inspect.getdoc(self.run) or ""


def run_race(race: Race[C], context: C, tidy: Callable[[], None]) -> Result:
    """Run a race, and `tidy` whatever comes of it."""
    began = time.monotonic()
    result = Result(race.name, Tally(), 0, race.lost)
    try:
        try:
            result.tally = race.run(context)
        except (RaceError, StoreUnavailable) as error:
            result.error = str(error)
            result.unavailable = isinstance(error, StoreUnavailable) or error.unavailable
        finally:
            tidy()
    except (RaceError, StoreUnavailable) as error:
        # The race's own error comes first: this one may follow from it.
        if not result.error:
            result.error = f"its sessions were not all ended: {error}"
            result.unavailable = isinstance(error, StoreUnavailable) or error.unavailable
    result.seconds = time.monotonic() - began
    return result
