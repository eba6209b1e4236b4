"""Late exports: names of a package that are loaded by who asks for them, as PEP 562 lets a module do."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

__all__ = ["late_exports"]


def late_exports(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """A package's `__getattr__`: `homes` names the module, inside of the package, of each name that comes late."""

    def find(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(import_module(f".{home}", package), name)
        setattr(sys.modules[package], name, found)
        return found

    return find
