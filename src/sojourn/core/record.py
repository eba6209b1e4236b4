"""Record: what a store keeps of one session. Times are Unix milliseconds, from the manager's clock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from .codec import is_unicode
from .errors import ConfigurationError, EndReason

__all__ = ["RENEWAL_KEY", "Bound", "Client", "Dated", "Record", "Secrets", "stand_in"]

Bound = Literal["browser", "hardware"]
"""Where the key is that a session, or its renewal, is bound to: with a browser's scripts, or in a device's hardware."""

RENEWAL_KEY = "DPoP "
"""What Secrets.key begins with where it is a script's, which a cookie's renewal takes; its thumbprint follows."""


class Dated(msgspec.Struct, frozen=True):
    """The hash of a secret, with when it was issued (a next one) or retired, in Unix milliseconds."""

    hash: bytes
    at: int


class Secrets(msgspec.Struct, frozen=True, omit_defaults=True):
    """Hashes of the secrets that open one session, each of 16 bytes, as many as its secret part has: see Token.

    `family` is that of all of them. `next` were issued to take the place of `current`, `late` beside it: neither were
    shown yet. `retired` were current lately. All are oldest first. `rotated_at` is when `current` became so, in Unix
    milliseconds. `key` is the public key that the browser registered for these, once, as core.jws spells it; "" for
    none. It is here because it is set as secrets are: if they are as they were loaded. After RENEWAL_KEY it is the
    thumbprint of the script's key that the log-in proved; then `rotated_at` is when `current` was issued, to a proof.
    """

    family: bytes
    current: bytes
    rotated_at: int
    next: tuple[Dated, ...] = ()
    late: tuple[Dated, ...] = ()
    retired: tuple[Dated, ...] = ()
    key: str = ""


class Client(msgspec.Struct, frozen=True):
    """What the browser told of itself when the session was made. Both are the sender's word, and "" where unknown.

    Raises ConfigurationError for what is no text: it would be written, and could never be read again.
    """

    ip: str = ""
    user_agent: str = ""

    def __post_init__(self) -> None:
        # That of each record that is decoded passes here.
        if type(self.ip) is type(self.user_agent) is str and self.ip.isascii() and self.user_agent.isascii():
            return
        for name, value in (("ip", self.ip), ("user_agent", self.user_agent)):
            if type(value) is not str:
                raise ConfigurationError(
                    f"Client({name}=…) takes text, and this is of type {type(value).__name__}. Where there is none, "
                    "leave it away."
                )
            if not value.isascii() and not is_unicode(value):
                raise ConfigurationError(f"Client({name}=…) takes Unicode text; this one has a lone surrogate in it.")

    @classmethod
    def of(cls, ip: str | None, user_agent: str) -> Client:
        """The client of a request. Of a User-Agent no more is kept than tells a person which browser it is."""
        return cls(ip or "", user_agent[:256])

    def kept(self, how: Literal["all", "network", "none"]) -> Client:
        """What a policy lets be kept of it: of an address its network (/24 or /48), and then no user agent."""
        if how == "all" or not (self.ip or self.user_agent):
            return self
        return Client(network_of(self.ip)) if how == "network" else Client()


def network_of(ip: str) -> str:
    """The network of an address, as text: 192.0.2.0/24 or 2001:db8::/48. "" for what is none."""
    from ipaddress import ip_address, ip_network

    try:
        address = ip_address(ip)
    except ValueError:
        return ""
    return str(ip_network((address, 24 if address.version == 4 else 48), strict=False))


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One session as a store keeps it. Times are Unix milliseconds, and `idle_timeout` is in milliseconds.

    `data` maps each key to its value as encoded JSON. `version` counts the changes of `data`: a touch or a
    rotation leaves it. `idle_timeout` and `absolute_expires_at` are the limits that the session was given, so
    that a change of policy does not reach back. `level` and `methods` are what the log-in proved. `follows` is why the
    session before ended, where this anonymous one was begun with its token: the browser is still to be told. `realm` is
    the manager's, who alone opens it. `device` is a label made of the user agent when the session was made.
    `key_thumbprint` is the one of the script's key that each request must prove (RFC 7638), fixed when the session was
    made; of `nonce_key`, in hex, is made what such proofs must hold, and what a browser with a key is given.
    """

    id: str
    secrets: Secrets
    created_at: int
    seen_at: int
    idle_timeout: int
    absolute_expires_at: int
    data: Mapping[str, bytes] = {}
    version: int = 1
    user_id: str | None = None
    authenticated_at: int | None = None
    level: str | None = None
    methods: tuple[str, ...] = ()
    remember: bool = False
    ended_at: int | None = None
    end_reason: EndReason | None = None
    client: Client = Client()
    key_thumbprint: str | None = None
    follows: EndReason | None = None
    realm: str = ""
    device: str = ""
    nonce_key: str = ""

    @property
    def bound(self) -> Bound | None:
        """How the session, or its renewal, is bound to a key; None where its token alone is enough."""
        if self.secrets.key and self.renewal_key is None:
            return "hardware"
        return "browser" if self.secrets.key or self.key_thumbprint is not None else None

    @property
    def renewal_key(self) -> str | None:
        """The thumbprint of the script's key without which a cookie is not renewed; None where none is needed."""
        key = self.secrets.key
        return key.removeprefix(RENEWAL_KEY) if key.startswith(RENEWAL_KEY) else None

    @property
    def expires_at(self) -> int:
        """When the session stops being live: the end it had, or the nearer of its two limits."""
        if self.ended_at is not None:
            return self.ended_at
        return min(self.seen_at + self.idle_timeout, self.absolute_expires_at)

    def end_reason_at(self, now: int) -> EndReason | None:
        """Why the session is over at `now`, or None while it is live."""
        if self.ended_at is not None:
            return self.end_reason
        idle_at = self.seen_at + self.idle_timeout
        if now < idle_at and now < self.absolute_expires_at:
            return None
        return "idle_timeout" if idle_at < self.absolute_expires_at else "absolute_timeout"


def stand_in(id: str, now: int) -> Record:
    """For a row that cannot be read, and was deleted in the place of its end: nobody's, and live until `now`."""
    return Record(
        id=id,
        secrets=Secrets(b"", b"", 0),
        created_at=now,
        seen_at=now,
        idle_timeout=1,
        absolute_expires_at=now + 1,
    )
