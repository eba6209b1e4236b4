"""Renewal keys: a session in a cookie whose token is renewed for proofs of its browser's WebCrypto key alone. Pure.

For browsers that bind no cookie by themselves (DBSC). The log-in that a script sends brings the proof (DPoP). From then
on requests open the session as ever, with or without one; but once its token is to be renewed, the answer to the
client says so, and the next proof renews it. A session that goes without for long owes one. A token that is renewed
opens nothing: who copied it is left behind, and who has the key goes on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import rotation
from .dbsc import Cookies, Told
from .errors import ProofRefused
from .events import UnprovedToken
from .policy import Policy
from .proof import CLOCKS_APART, NONCE_LIFE, Proof, check, make_nonce, read
from .proved import Judged, Kept, Proved
from .record import Client, Record
from .rotation import Shown as Part
from .session import Session
from .store import Mark
from .token import Random, Token

if TYPE_CHECKING:
    from .commit import Opened

__all__ = ["REMEMBERED_MS", "brought", "open_kept", "prove_kept", "vouched"]

# For so long a proof could be used, of which this is the use: longer than any nonce is good, or any time near enough.
REMEMBERED_MS = 2 * (NONCE_LIFE + CLOCKS_APART) * 1000


def brought(shown: Cookies, now: int, random: Random) -> Proved | None:
    """The key for a session in a cookie that a request makes; None where it brings none. Raises ProofRefused."""
    proof = _read(shown)
    if proof is None or shown.asked is None:
        return None
    check(proof, shown.asked, now)
    return _for_a_new_one(proof, Mark(proof.id, "", now + REMEMBERED_MS), random)


def prove_kept(
    record: Record,
    token: Token,
    shown: Cookies | None,
    policy: Policy,
    now: int,
    random: Random,
    told: Told | None = None,
) -> Kept:
    """What a request proves for a session with a renewal key; `told` is for its browser. Raises ProofRefused.

    A proof is asked for where one would renew the token, or is owed. One of another key is for a log-in alone.
    """
    secrets, nonce_key = record.secrets, bytes.fromhex(record.nonce_key)
    owes = rotation.proof_is_owed(secrets, policy, now)
    is_due = owes or (token.hash == secrets.current and rotation.issue_is_due(secrets, policy, now))
    fresh, proof = None, None if shown is None else _read(shown)
    if proof is not None and shown is not None and shown.asked is not None:
        renews = is_due and proof.thumbprint == record.renewal_key
        check(proof, shown.asked, now, nonce_key=nonce_key if renews else None)
        mark = Mark(proof.id, record.id if renews else "", now + REMEMBERED_MS)
        if renews:
            return Kept(renews=True, mark=mark, fresh=_for_a_new_one(proof, None, random), told=told)
        fresh = _for_a_new_one(proof, mark, random)
    wants = make_nonce(nonce_key, now) if is_due else None
    opens = not owes or policy.binding != "require"
    if not opens and (shown is None or shown.reads):
        # A key that is lost is lost: the browser is to forget the cookie, and its user logs in again.
        raise ProofRefused("proof-required", wants) if fresh is None else ProofRefused("proof-other-key")
    return Kept(owes=owes, wants=wants, fresh=fresh, opens=opens, told=told)


def vouched(record: Record, thumbprint: str, random: Random) -> Kept:
    """What a request proves whose proof was used up already, as a back end says. Raises ProofRefused."""
    if record.renewal_key != thumbprint:
        raise ProofRefused("proof-other-key")
    fresh = Proved(thumbprint, random(16).hex(), None, at_once=False, in_cookie=True)
    return Kept(renews=True, fresh=fresh)


def open_kept(record: Record, token: Token, judged: Judged, part: Part, now: int, client: Client) -> Opened:
    """What a live session's token opens, where its renewal takes a key. Whatever is shown, nothing ends it.

    Not even a part that was renewed long ago: who shows it is not who has the key.
    """
    if not isinstance(judged, Kept):
        raise ProofRefused("proof-required")
    if part == "reused" or not judged.opens:
        event = UnprovedToken(at=now, id=record.id, user_id=record.user_id, flaw="proof-required")
        nobody = Session(None, now, client, presented=True)
        nobody._kept = None if part == "reused" else judged
        return nobody, None, (event,)
    session = Session(record, now, client, token, True)
    session._kept, session._renews = judged, judged.renews
    return session, None, ()


def _read(shown: Cookies) -> Proof | None:
    return None if shown.proof is None else read(shown.proof)


def _for_a_new_one(proof: Proof, mark: Mark | None, random: Random) -> Proved:
    return Proved(proof.thumbprint, random(16).hex(), mark, at_once=False, in_cookie=True)
