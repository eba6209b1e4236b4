"""The audit trail: who did what to which session, in a file each of whose entries holds the hash of the one before."""

from .file import AuditFile

__all__ = ["AuditFile"]
