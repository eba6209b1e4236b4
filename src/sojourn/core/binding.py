"""Binding: a session that was made with the proof of a key opens with proofs of that key alone. Pure.

The key is the new session's from its first write on, and no write changes it: to have another takes another log-in.
"""

from __future__ import annotations

import hmac
from typing import NamedTuple

from . import rotation
from .errors import ConfigurationError, ProofRefused
from .policy import Policy
from .proof import CLOCKS_APART, NONCE_LIFE, Asked, check, make_nonce, nonce_age, read, require_cryptography
from .record import Record
from .store import Mark
from .token import Random, Token

__all__ = ["Presented", "Proved", "Vouched", "born", "prove", "require_binding"]

# For so long a proof could be used, of which this is the use: longer than any nonce is good, or any time near enough.
REMEMBERED_MS = 2 * (NONCE_LIFE + CLOCKS_APART) * 1000


class Presented(NamedTuple):
    """What a request that a script sent shows for its key: `proof` is its DPoP header, None where it has none.

    `by_dpop`: it showed its token in `Authorization: DPoP`.
    """

    proof: str | None
    by_dpop: bool
    asked: Asked


class Vouched(NamedTuple):
    """What a back end shows for a request whose proof was taken already: the thumbprint, which it was told then."""

    thumbprint: str


class Proved(NamedTuple):
    """The key that a request proved. `mark` is the proof's use, to be kept before it counts; `nonce` is for the answer.

    `at_once`: the session is bound to the key already; else the key is for a session that the request makes.
    """

    thumbprint: str
    nonce_key: str
    mark: Mark | None
    at_once: bool
    nonce: str | None = None


def prove(
    record: Record | None,
    token: Token | None,
    presented: Presented | Vouched | None,
    policy: Policy,
    now: int,
    random: Random,
) -> Proved | None:
    """What a request that shows `token` proves; None where it need not and does not. Raises ProofRefused.

    `record` is what the token's id names in this realm. A token that opens nothing need not be proved.
    """
    if record is not None and token is not None and _opens(record, token, policy, now):
        if record.key_thumbprint is not None:
            return _prove_bound(record, record.key_thumbprint, token, presented, now)
        if policy.binding == "require":
            raise ProofRefused("proof-required")
    if policy.binding == "off" or presented is None:
        return None
    if isinstance(presented, Vouched):
        return Proved(presented.thumbprint, random(16).hex(), None, at_once=False)
    if presented.proof is None:
        return None
    proof = read(presented.proof)
    check(proof, presented.asked, now)
    mark = Mark(proof.id, "", now + REMEMBERED_MS)
    return Proved(proof.thumbprint, random(16).hex(), mark, at_once=False)


def _opens(record: Record, token: Token, policy: Policy, now: int) -> bool:
    # Who knows the public id alone is told nothing, and has nothing to prove.
    return record.end_reason_at(now) is None and rotation.which(record.secrets, token, policy, now) != "unknown"


def _prove_bound(
    record: Record, thumbprint: str, token: Token, presented: Presented | Vouched | None, now: int
) -> Proved:
    if isinstance(presented, Vouched):
        if not hmac.compare_digest(presented.thumbprint.encode(), thumbprint.encode()):
            raise ProofRefused("proof-other-key")
        return Proved(thumbprint, record.nonce_key, None, at_once=True)
    if presented is None or presented.proof is None or not presented.by_dpop:
        raise ProofRefused("proof-required")
    proof, key = read(presented.proof), bytes.fromhex(record.nonce_key)
    check(proof, presented.asked, now, thumbprint=thumbprint, token=token.reveal(), nonce_key=key)
    age = nonce_age(proof.nonce or "", key, now)
    # Before the one in use runs out.
    nonce = make_nonce(key, now) if age is None or age > NONCE_LIFE / 2 else None
    return Proved(thumbprint, record.nonce_key, Mark(proof.id, record.id, now + REMEMBERED_MS), True, nonce)


def born(proved: Proved, now: int) -> Proved:
    """The same, once there is a session that is bound to the key: the answer brings its first nonce."""
    return proved._replace(mark=None, at_once=True, nonce=make_nonce(bytes.fromhex(proved.nonce_key), now))


def require_binding(policy: Policy, public_origin: str | None, tokens_are_readable: bool, adopts: bool) -> None:
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
    if not tokens_are_readable:
        raise ConfigurationError(
            f"Policy(binding={policy.binding!r}) binds tokens that scripts hold: give script_readable_tokens=True. A "
            "session in a cookie is not bound."
        )
    if adopts and policy.binding == "require":
        raise ConfigurationError("Adopted sessions come in cookies, and Policy(binding='require') refuses these.")
    require_cryptography()
