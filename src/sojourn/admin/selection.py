"""Selection: which sessions a command or a search is about, by what is known of them. Pure."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import NamedTuple

from sojourn.core.errors import EndReason
from sojourn.core.info import SessionInfo

__all__ = ["Addresses", "Selection"]

Addresses = IPv4Network | IPv6Network


class Selection(NamedTuple):
    """All that is given must be so; None says nothing. Durations are seconds."""

    user: str | None = None
    addresses: Addresses | None = None
    since: float | None = None
    reason: EndReason | None = None
    older_than: float | None = None

    def includes(self, session: SessionInfo, now: int) -> bool:
        """Whether `session` is one of these at `now`."""
        if self.user is not None and session.user_id != self.user:
            return False
        if self.reason is not None and session.end_reason != self.reason:
            return False
        if self.since is not None and _last(session) < now - self.since * 1000:
            return False
        if self.older_than is not None and session.created_at > now - self.older_than * 1000:
            return False
        return self.addresses is None or _is_in(session.ip, self.addresses)


def _last(session: SessionInfo) -> int:
    """When something was last heard of it: that it was seen, or its end."""
    return session.seen_at if session.end_reason is None else session.expires_at


def _is_in(text: str, addresses: Addresses) -> bool:
    try:
        address = ip_address(text)
    except ValueError:  # none was told, or the proxy's own word for it
        return False
    mapped = address.ipv4_mapped if address.version == 6 else None
    return (mapped or address) in addresses
