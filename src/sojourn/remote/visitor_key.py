"""The visitor's key, as a back end hands it on to the service, which judges it. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from sojourn.core.errors import ConfigurationError, ProofRefused
from sojourn.wire.answers import Opened
from sojourn.wire.requests import PresentedKey, ShownDevice, SignedRequest

if TYPE_CHECKING:
    from sojourn.core.binding import Shown
    from sojourn.core.dbsc import Cookies
    from sojourn.core.transport import Transport

__all__ = ["hand_on", "key_shown", "require_proof"]


def key_shown(presented: Shown | None) -> PresentedKey | ShownDevice | None:
    """What the service is told of a request's key; None where it is not to be told of any."""
    if presented is None:
        return None
    from sojourn.core.binding import Presented  # here: most applications bind no session
    from sojourn.core.dbsc import Cookies

    if isinstance(presented, Cookies):
        return _device(presented)
    if not isinstance(presented, Presented):
        return None  # what is vouched for comes from a service, and goes to none
    asked = presented.asked
    url = asked.origin + quote(asked.path)
    return PresentedKey(method=asked.method, url=url, proof=presented.proof, dpop=presented.by_dpop)


def _device(shown: Cookies) -> ShownDevice | None:
    signed = None
    if shown.proof is not None and shown.asked is not None:
        signed = SignedRequest(method=shown.asked.method, path=quote(shown.asked.path) or "/", proof=shown.proof)
    if not shown.bound and shown.skipped is None and signed is None:
        return None
    return ShownDevice(cookies="; ".join(shown.bound), skipped=shown.skipped, signed=signed)


def require_proof(answer: Opened, presented: Shown | None) -> None:
    """Raise ProofRefused where a session owes a proof, opens nothing without, and data of it was asked for."""
    if not answer.owed or answer.session is not None:
        return
    from sojourn.core.dbsc import Cookies  # here: most applications bind no session

    if isinstance(presented, Cookies) and presented.reads:
        # One that was shown was another key's. A key that is lost is lost: the browser is to forget the cookie.
        is_shown = presented.proof is not None
        raise ProofRefused("proof-other-key") if is_shown else ProofRefused("proof-required", answer.owed)


def hand_on(transport: Transport) -> None:
    """Have `transport` hand on what browsers show for their keys. Raises ConfigurationError.

    So where scripts hold no tokens, and a public origin is given, which is for these alone.
    """
    if transport.public_origin is not None and not transport.tokens_are_readable:
        raise ConfigurationError(
            f"public_origin={transport.public_origin!r} is for tokens that scripts hold: give "
            "script_readable_tokens=True. For a session in a cookie it is the service that has the origin."
        )
    from .device_cookies import DeviceCookies  # here: a script has no browsers

    transport.hand_on(DeviceCookies(transport.cookie))
