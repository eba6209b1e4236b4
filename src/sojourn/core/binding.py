"""Binding: a session that is bound to a key opens with proofs of that key alone. Pure.

A script's key (DPoP) is the new session's from its first write on, and each request proves it. A browser's own (DBSC)
is registered right after the log-in, and proved for each bound cookie, which the requests then show. Where it has none,
a script's that the log-in proved is proved for each renewal of a cookie's token: see renewal_key. Each is set once: to
have another takes another log-in.
"""

from __future__ import annotations

import hmac

from . import dbsc, rotation
from .dbsc import Asking, Cookies, Shown, Told
from .errors import ConfigurationError, ProofRefused
from .policy import Policy
from .proof import CLOCKS_APART, NONCE_LIFE, Asked, check, make_nonce, read, require_cryptography
from .proved import Device, Judged, Kept, Proved
from .record import Record
from .renewal_key import REMEMBERED_MS, brought, prove_kept, vouched
from .store import Mark
from .token import Random, Token

__all__ = [
    "Device",
    "Judged",
    "Kept",
    "Presented",
    "Proved",
    "Shown",
    "Told",
    "Vouched",
    "born",
    "offer",
    "prove",
    "replayed",
    "require_binding",
]

ANSWERED_MS = (dbsc.CHALLENGE_LIFE + CLOCKS_APART) * 1000


class Presented(Shown, frozen=True):
    """What a request that a script sent shows for its key: `proof` is its DPoP header, None where it has none.

    `by_dpop`: it showed its token in `Authorization: DPoP`.
    """

    proof: str | None
    by_dpop: bool
    asked: Asked


class Vouched(Shown, frozen=True):
    """What a back end shows for a request whose proof was taken already: the thumbprint, which it was told then.

    `cookies`: what the request shows where it has its token in a cookie, whose renewal takes the key; else None.
    """

    thumbprint: str
    cookies: Cookies | None = None


BY_COOKIE = Device()


def prove(
    record: Record | None,
    token: Token | None,
    shown: Shown | None,
    policy: Policy,
    now: int,
    random: Random,
) -> Judged | None:
    """What a request that shows `token` proves; None where it need not and does not. Raises ProofRefused.

    `record` is what the token's id names in this realm. A token that opens nothing need not be proved.
    """
    if record is not None and token is not None and _opens(record, token, policy, now):
        found = _prove_live(record, token, shown, policy, now, random)
        if found is not None:
            return found
    return None if policy.binding == "off" else _prove_new(shown, now, random)


def _prove_new(shown: Shown | None, now: int, random: Random) -> Proved | None:
    """The key for a session that the request makes."""
    if isinstance(shown, Cookies):
        return brought(shown, now, random)
    if isinstance(shown, Vouched):
        return Proved(shown.thumbprint, random(16).hex(), None, at_once=False, in_cookie=shown.cookies is not None)
    if not isinstance(shown, Presented) or shown.proof is None:
        return None
    proof = read(shown.proof)
    check(proof, shown.asked, now)
    mark = Mark(proof.id, "", now + REMEMBERED_MS)
    return Proved(proof.thumbprint, random(16).hex(), mark, at_once=False)


def _prove_live(
    record: Record, token: Token, shown: Shown | None, policy: Policy, now: int, random: Random
) -> Judged | None:
    script = shown if isinstance(shown, (Presented, Vouched)) else None
    if record.key_thumbprint is not None:
        return _prove_bound(record, record.key_thumbprint, token, script, now)
    if record.renewal_key is not None:
        return _prove_kept(record, token, shown, policy, now, random)
    if isinstance(shown, Asking):
        return _prove_device(record, shown, policy, now, random)
    if record.secrets.key or policy.binding == "require":
        # The browser may have registered a key of its own since the request proved a script's.
        cookies = shown.cookies if isinstance(shown, Vouched) else shown
        return _prove_by_cookie(record, cookies if isinstance(cookies, Cookies) else None, now)
    return None


def _opens(record: Record, token: Token, policy: Policy, now: int) -> bool:
    # Who knows the public id alone is told nothing, and has nothing to prove.
    return record.end_reason_at(now) is None and rotation.which(record.secrets, token, policy, now) != "unknown"


def _prove_bound(
    record: Record, thumbprint: str, token: Token, presented: Presented | Vouched | None, now: int
) -> Proved:
    if isinstance(presented, Vouched) and presented.cookies is None:
        if not hmac.compare_digest(presented.thumbprint.encode(), thumbprint.encode()):
            raise ProofRefused("proof-other-key")
        return Proved(thumbprint, record.nonce_key, None, at_once=True)
    if not isinstance(presented, Presented) or presented.proof is None or not presented.by_dpop:
        raise ProofRefused("proof-required")
    proof, key = read(presented.proof), bytes.fromhex(record.nonce_key)
    age = check(proof, presented.asked, now, thumbprint=thumbprint, token=token.reveal(), nonce_key=key)
    # Before the one in use runs out.
    nonce = make_nonce(key, now) if age is None or age > NONCE_LIFE / 2 else None
    return Proved(thumbprint, record.nonce_key, Mark(proof.id, record.id, now + REMEMBERED_MS), True, nonce)


def _prove_kept(record: Record, token: Token, shown: Shown | None, policy: Policy, now: int, random: Random) -> Kept:
    if isinstance(shown, Vouched) and shown.cookies is not None:
        return vouched(record, shown.thumbprint, random)
    if isinstance(shown, (Presented, Vouched)):
        # No script is given the token of a cookie.
        raise ProofRefused("proof-required")
    if not isinstance(shown, Asking):
        cookies = shown if isinstance(shown, Cookies) else None
        return prove_kept(record, token, cookies, policy, now, random)
    device = _prove_device(record, shown, policy, now, random)
    return prove_kept(record, token, Cookies(), policy, now, random, None if device is None else device.told)


def _prove_by_cookie(record: Record, shown: Cookies | None, now: int) -> Device | None:
    if shown is not None and any([now <= dbsc.good_until(cookie, record.nonce_key) for cookie in shown.bound]):
        return BY_COOKIE
    if shown is not None and not record.secrets.key and record.user_id is None:
        # Nobody has logged in yet: there is nothing to bind, and every log-in begins so.
        return None
    raise ProofRefused("proof-required")


def _prove_device(record: Record, asking: Asking, policy: Policy, now: int, random: Random) -> Device | None:
    """What a registration or a refresh proves; None where it is not for this session, or not any more."""
    key, bound_to = bytes.fromhex(record.nonce_key), "" if record.renewal_key else record.secrets.key
    if not bound_to and (asking.action == "refresh" or not key):
        if policy.binding == "require" and not record.renewal_key:
            raise ProofRefused("proof-required", device="")
        return None
    try:
        if not bound_to:
            found = dbsc.registered(asking, key, now)
            return Device(at_once=False, told=dbsc.tell(key, now, random, asking.place)._replace(key=found))
        if asking.action == "refresh" and asking.of != dbsc.name(key):
            # The browser's own session of the log-in before this one.
            return None
        is_signed, use = dbsc.refreshed(asking, bound_to, key, now, random)
    except ProofRefused as error:
        error.device = error.device or ""
        raise
    if not is_signed:
        return Device(is_forged=True)
    return Device(mark=Mark(use, record.id, now + ANSWERED_MS), told=dbsc.tell(key, now, random, asking.place))


def replayed(record: Record | None, proved: Judged, now: int, random: Random) -> ProofRefused:
    """The refusal of a proof that was used before. A browser signs anew: its answer may have been lost."""
    if record is None or not isinstance(proved, Device):
        return ProofRefused("proof-replayed")
    return dbsc.again("proof-replayed", bytes.fromhex(record.nonce_key), now, random)


def born(proved: Proved, now: int) -> Proved:
    """The same, once there is a session that is bound to the key: the answer brings its first nonce."""
    return proved._replace(mark=None, at_once=True, nonce=make_nonce(bytes.fromhex(proved.nonce_key), now))


def offer(record: Record, now: int, random: Random) -> Told | None:
    """What the answer to the log-in that made this session tells the browser; None for any other session."""
    if record.bound == "hardware" or record.key_thumbprint is not None:
        return None
    if not record.nonce_key or record.secrets.rotated_at != record.authenticated_at:
        return None
    return dbsc.tell(bytes.fromhex(record.nonce_key), now, random)


def require_binding(
    policy: Policy, public_origin: str | None, tokens_are_readable: bool, adopts: bool, cookies_can_be: bool
) -> None:
    """Raise ConfigurationError where sessions cannot be bound as `policy` wants it."""
    if policy.binding == "off":
        raise ConfigurationError(
            f"public_origin={public_origin!r} is in vain: the policy binds no sessions. Give Policy(binding='prefer')."
        )
    if public_origin is None:
        raise ConfigurationError(
            f"Policy(binding={policy.binding!r}) needs public_origin, the origin that browsers see: "
            "public_origin='https://app.example.com'. A proof is for one URL, and no header says which that is."
        )
    if not tokens_are_readable and not cookies_can_be:
        raise ConfigurationError(
            f"Policy(binding={policy.binding!r}) has nothing to bind. Browsers bind a cookie that is Secure and this "
            f"host's alone (no domain, not partitioned), on https: public_origin is {public_origin!r}. Or let scripts "
            "hold tokens: script_readable_tokens=True."
        )
    if adopts and policy.binding == "require":
        raise ConfigurationError("Adopted sessions come in cookies, and Policy(binding='require') refuses these.")
    require_cryptography()
