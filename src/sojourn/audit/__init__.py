"""The audit trail: who did what to which session, in a file each of whose entries holds the hash of the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sojourn.exports import late_exports

from .file import AuditFile

if TYPE_CHECKING:
    from .webhook import Webhook

__all__ = ["AuditFile", "Webhook"]

# Late: it loads a client for HTTP and SQLite, which a trail alone needs not.
__getattr__ = late_exports(__name__, {"Webhook": "webhook"})
