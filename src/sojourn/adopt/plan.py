"""What a session of another layer becomes here. Pure: the time and randomness are arguments.

The old cookie becomes the new session's first secret, and the browser gets a next one. From there on it is rotation:
the old cookie is good until the browser has shown ours, then for a grace, and after that its reuse is noticed. So
parallel requests, lost answers and a process that dies in between sign nobody out.
A mark, under an id made of the old cookie, says which session that was. It outlives the old cookie.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from typing import Any, NamedTuple

from sojourn.core.codec import checked_key, encode, is_unicode, size
from sojourn.core.commit import Reply
from sojourn.core.errors import InvalidData
from sojourn.core.policy import Policy
from sojourn.core.record import Client, Dated, Record, Secrets
from sojourn.core.store import Create, Mark
from sojourn.core.token import Random, Token, partition

from .layer import Old

__all__ = ["OldCookie", "Planned", "plan"]

logger = logging.getLogger("sojourn")

DAY_MS = 86_400_000
# When the user logged in is not known: so long ago that no `logged_in(within=…)` takes it for recent.
LONG_AGO = 0


class OldCookie:
    """The names and the secret that follow from an old cookie's key, and from nothing else."""

    __slots__ = ("_digest", "_secret", "id", "realm")

    def __init__(self, realm: str, kind: str, key: str) -> None:
        self.realm = realm
        said = f"{realm}\0{kind}\0{key}".encode()
        self.id = hashlib.sha256(b"sojourn adopt mark\0" + said).hexdigest()[:32]
        self._digest = hashlib.sha256(b"sojourn adopt id\0" + said).hexdigest()
        self._secret = hashlib.sha256(b"sojourn adopt secret\0" + said).hexdigest()

    def token(self, user_id: str | None) -> Token:
        """The old cookie as a token of the session that is made of it."""
        first = self._digest[:3] if user_id is None else partition(user_id)
        return Token(first + self._digest[3:32], self._secret)

    def known(self, mark: Mark) -> Token:
        """The same, by the mark that was kept of it."""
        return Token(mark.session_id, self._secret)


class Planned(NamedTuple):
    """The session to be kept, its mark, and what the browser is told."""

    ours: Create
    mark: Mark
    token: Token
    reply: Reply


def plan(
    cookie: OldCookie,
    old: Old,
    policy: Policy,
    *,
    remember: bool,
    until: int,
    now: int,
    client: Client,
    random: Random,
) -> Planned | None:
    """What `old` becomes; None where nothing is in it, or more than the policy allows.

    It began with the old log-in. Where that is not known it began before all that anybody revoked.
    """
    user_id, data = _user_id(old.user_id), _encoded(old.data)
    if user_id is None and not data:
        return None
    if size(data) > policy.max_bytes:
        logger.warning(
            "an old session of %d bytes was not adopted: the policy's limit is %d", size(data), policy.max_bytes
        )
        return None
    lifetime = policy.lifetime(remember=remember)
    ends_at = now + int(lifetime.absolute_timeout * 1000)
    if old.ends_at is not None:
        ends_at = min(ends_at, old.ends_at)
    token = cookie.token(user_id)
    fresh = token.renewed(random)
    at = LONG_AGO if old.authenticated_at is None else min(old.authenticated_at, now)
    record = Record(
        id=token.id,
        # Due at once for those that come with the old cookie again: `issue_is_due` keeps them apart.
        secrets=Secrets(token.family, token.hash, 0, next=(Dated(fresh.hash, now),)),
        created_at=now,
        seen_at=now,
        idle_timeout=int(lifetime.idle_timeout * 1000),
        absolute_expires_at=ends_at,
        data=data,
        user_id=user_id,
        authenticated_at=None if user_id is None else at,
        remember=remember,
        client=client.kept(policy.keep_client),
        realm=cookie.realm,
    )
    reply = Reply(fresh, max_age=(ends_at - now) // 1000 if remember else None)
    mark = Mark(cookie.id, token.id, max(until, old.ends_at or 0) + DAY_MS)
    return Planned(Create(record=record, now=now, began_at=at), mark, token, reply)


def _user_id(value: object) -> str | None:
    """A user id as text: from text or a whole number, else None."""
    if type(value) not in (str, int):
        return None
    text = str(value)
    return text if 1 <= len(text) <= 255 and is_unicode(text) else None


def _encoded(data: Mapping[Any, Any]) -> dict[str, bytes]:
    """The members of `data` that are JSON, encoded. The names of the others go to the log."""
    kept: dict[str, bytes] = {}
    left = []
    for key, value in data.items():
        try:
            name = checked_key(key)
            kept[name] = encode(value, name)
        except InvalidData:
            left.append(key)
    if left:
        logger.warning("an old session was adopted without what is no JSON: %s", ", ".join(map(ascii, left[:20])))
    return kept
