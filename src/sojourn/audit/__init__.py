"""The audit trail: who did what to which session, in entries that each hold the hash of the one before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sojourn.exports import late_exports

from .audit_file import AuditFile

if TYPE_CHECKING:
    from .table import AuditTable
    from .webhook import Webhook

__all__ = ["AuditFile", "AuditTable", "Webhook"]

# Late: they load what a trail in a file needs not: asyncio and drivers, a client for HTTP.
__getattr__ = late_exports(__name__, {"AuditTable": "table", "Webhook": "webhook"})
