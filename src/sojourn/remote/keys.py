"""The visitor's key, as a back end hands it on to the service, which judges it. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from sojourn.core.errors import ConfigurationError
from sojourn.wire.requests import PresentedKey

if TYPE_CHECKING:
    from sojourn.core.binding import Shown

__all__ = ["key_shown", "require_readable"]


def key_shown(presented: Shown | None) -> PresentedKey | None:
    """What the service is told of a request's key; None where it is not to be told of any."""
    if presented is None:
        return None
    from sojourn.core.binding import Presented  # here: most applications bind no session

    if not isinstance(presented, Presented):
        return None  # what is vouched for comes from a service, and goes to none
    asked = presented.asked
    url = asked.origin + quote(asked.path)
    return PresentedKey(method=asked.method, url=url, proof=presented.proof, dpop=presented.by_dpop)


def require_readable(public_origin: str | None, tokens_are_readable: bool) -> None:
    """Raise ConfigurationError where keys are to be handed on, and no token comes that could be bound to one."""
    if public_origin is not None and not tokens_are_readable:
        raise ConfigurationError(
            f"public_origin={public_origin!r} is for tokens that scripts hold: give script_readable_tokens=True. A "
            "session in a cookie is not bound."
        )
