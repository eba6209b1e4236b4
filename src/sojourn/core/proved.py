"""Proved: what a request was found to prove of a key, before its session is opened. Values only."""

from __future__ import annotations

from typing import NamedTuple

from .dbsc import Told
from .store import Mark

__all__ = ["Device", "Judged", "Kept", "Proved"]


class Proved(NamedTuple):
    """The key that a request proved. `mark` is the proof's use, to be kept before it counts; `nonce` is for the answer.

    `at_once`: the session is bound to the key already; else the key is for a session that the request makes, for its
    renewals alone if that is `in_cookie`.
    """

    thumbprint: str
    nonce_key: str
    mark: Mark | None
    at_once: bool
    nonce: str | None = None
    in_cookie: bool = False

    @property
    def is_forged(self) -> bool:
        """Whether the session is to end for it: never, as who proves wrongly is merely refused."""
        return False

    @property
    def told(self) -> None:
        """What the answer tells the browser of its own key: nothing."""
        return None

    @property
    def new_key(self) -> Proved | None:
        """The key for the answer, or a session that the request makes. Of one that counts already, the use is kept."""
        return self._replace(mark=None) if self.at_once else self


class Device(NamedTuple):
    """What a cookie's request proved of the browser's own key. `mark` and `at_once` are as Proved's.

    `told` is for the answer. `is_forged`: the proof is by another key.
    """

    at_once: bool = True
    mark: Mark | None = None
    told: Told | None = None
    is_forged: bool = False

    @property
    def new_key(self) -> Proved | None:
        """The key for a session that the request makes: none, as the browser registers another."""
        return None


class Kept(NamedTuple):
    """What a cookie's request proved of the script's key that its renewal takes. `mark` and `told` are as Device's.

    `renews`: the key was proved. Else `wants` is the nonce for a proof that would renew, if one is due, and `owes` says
    that it is for long. `fresh` is the key for a session that the request makes. Without `opens` it opens none.
    """

    renews: bool = False
    owes: bool = False
    wants: str | None = None
    mark: Mark | None = None
    fresh: Proved | None = None
    opens: bool = True
    told: Told | None = None

    @property
    def at_once(self) -> bool:
        """Whether it counts for the session that the token names: always, as that opens without a proof."""
        return True

    @property
    def is_forged(self) -> bool:
        """Whether the session is to end for it: never, as who proves wrongly is merely refused."""
        return False

    @property
    def new_key(self) -> Proved | None:
        """The key for a session that the request makes."""
        return self.fresh


Judged = Proved | Device | Kept
"""Any of them."""
