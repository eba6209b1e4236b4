"""Doctor: a live check of a web application's sessions, or of the store that they are in. `sojourn doctor` runs it."""

from __future__ import annotations

from .examination import examine_app
from .finding import SEVERITIES, Finding
from .report import html
from .store_checks import examine_store

__all__ = ["SEVERITIES", "Finding", "examine_app", "examine_store", "html"]
