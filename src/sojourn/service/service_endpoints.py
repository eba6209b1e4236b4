"""ServiceEndpoints: what a back end may ask of the service, each from a BackEndRequest to the JSON of its answer."""

from __future__ import annotations

import asyncio
import dataclasses
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple
from urllib.parse import parse_qs, unquote

import msgspec

from sojourn import __version__
from sojourn.core.actor import ADDRESS_PATTERN, Actor
from sojourn.core.cookie import CookieOptions
from sojourn.core.errors import ConfigurationError
from sojourn.core.policy import Policy
from sojourn.core.session import Session
from sojourn.core.token import ID_PATTERN
from sojourn.manager import AsyncSessionManager
from sojourn.manager.plain_change import change_plainly
from sojourn.wire.answers import (
    Committed,
    Configuration,
    CookieShape,
    EndedCount,
    Found,
    FoundSession,
    ListedSessions,
    Opened,
)
from sojourn.wire.api_key import KeyScope
from sojourn.wire.batches import MAX_BATCH_BYTES, BatchedCall
from sojourn.wire.http import LINES
from sojourn.wire.problems import (
    BAD_ACTOR,
    BAD_KEEP,
    BAD_PAGE,
    BAD_WAIT,
    NO_REMEMBER,
    NO_STATUS,
    NOT_FOUND,
    NOT_LINES,
    bad_query,
)
from sojourn.wire.requests import CommitRequest, LoginAction, OpenRequest

from .acting_key import acting_key
from .batch import CallBatch, rows_of
from .end_wait import LONGEST_WAIT, await_end
from .refusal import RequestRefused
from .replay import client_of, is_plain, replay
from .request import BackEndRequest, decoded
from .session_answers import changed, committed, opened
from .visitor_keys import VisitorKeys

__all__ = ["Route", "ServiceEndpoints"]

_open = msgspec.json.Decoder(OpenRequest).decode
_commit = msgspec.json.Decoder(CommitRequest).decode
_encode = msgspec.json.Encoder().encode
_is_id = re.compile(ID_PATTERN).fullmatch
_is_address = re.compile(ADDRESS_PATTERN).fullmatch
_is_wait = re.compile("[1-9][0-9]?").fullmatch
_is_limit = re.compile("[1-9][0-9]{0,2}|1000").fullmatch

# No request is at work for longer; of one that says so, it is not known what it may still know.
REQUEST_LIFETIME_MS = 3_600_000


class Route(NamedTuple):
    """What answers one method of one path, and the scope of the API key that it takes; None for no key."""

    answer: Callable[[BackEndRequest], Awaitable[bytes | CallBatch]]
    scope: KeyScope | None


class ServiceEndpoints:
    """The back ends' endpoints under `/v1`, carried out by a manager."""

    def __init__(
        self,
        manager: AsyncSessionManager,
        cookie: CookieOptions,
        visitor_keys: VisitorKeys | None = None,
        *,
        reads_freely: bool = False,
    ) -> None:
        self._manager = manager
        # What is no plain change is read a second time. One that somebody observes is asked by its own methods.
        self._looks_twice = reads_freely and type(manager) is AsyncSessionManager
        # Once set, nobody is to be kept waiting.
        self.stopping = asyncio.Event()
        self._visitor_keys = visitor_keys or VisitorKeys()
        self._cookie = cookie
        policy = manager.policy
        # A key comes twice, as it was and as it is to be, and another program's JSON may be full of escapes.
        self._limit = 4 * policy.max_bytes + 64 * 1024
        self._configuration = _encode(_configuration(policy, cookie))

    async def open(self, request: BackEndRequest) -> bytes:
        """POST /v1/open."""
        return await self.opened(await request.read_bytes(self._limit))

    async def opened(self, body: bytes) -> bytes:
        """The same, of its body."""
        return _encode(await self.load(decoded(_open, body)))

    async def load(self, asked: OpenRequest) -> Opened:
        """What an open asks for."""
        presented = self._visitor_keys.shown(asked)
        session = await self._as_of(asked.opened_at).open(asked.token, presented=presented)
        if _is_over(session, self._manager.clock()):
            # Its secret is judged as it was, but data is told of what lives now.
            session = await self._manager.open(asked.token, presented=presented)
        return opened(session, self._manager.policy)

    def open_at_hand(self, body: bytes) -> bytes | None:
        """The answer to POST /v1/open, where nothing is to be waited for; None where there is."""
        return self._at_hand(decoded(_open, body))

    def _at_hand(self, asked: OpenRequest) -> bytes | None:
        session = (
            None if asked.opened_at or asked.presented or asked.device else self._manager.open_at_hand(asked.token)
        )
        return None if session is None else _encode(opened(session, self._manager.policy))

    async def commit(self, request: BackEndRequest) -> bytes:
        """POST /v1/commit."""
        return await self.committed(await request.read_bytes(self._limit))

    async def committed(self, body: bytes) -> bytes:
        """The same, of its body."""
        return _encode(await self.carry_out(decoded(_commit, body)))

    async def carry_out(self, wanted: CommitRequest) -> Committed:
        """What a commit asks for."""
        manager = self._manager
        if self._looks_twice and is_plain(wanted):
            assert wanted.token is not None
            at = self._moment(wanted.opened_at)
            session = await change_plainly(manager, wanted.token, wanted.changes, at, wanted.passive)
            if session is not None:
                return changed(session, manager.clock())
        if isinstance(wanted.action, LoginAction) and wanted.action.remember and manager.policy.remember is None:
            raise RequestRefused(NO_REMEMBER)
        if wanted.token is not None and wanted.status is None:
            raise RequestRefused(NO_STATUS)
        session = await self._reopen(wanted)
        session._offers = self._visitor_keys.offers(wanted)
        merged = replay(session, wanted, manager.policy)
        reply = await manager.commit(session)
        device = self._visitor_keys.told(session, wanted)
        now = manager.clock()
        if wanted.token is not None and _is_over(session, now):
            # Nothing was written, and it has run out since the open.
            session = await manager.open(wanted.token, presented=self._visitor_keys.shown(wanted))
            now = manager.clock()
        return committed(session, reply, wanted, merged, self._cookie, now, device)

    async def batch(self, request: BackEndRequest) -> CallBatch:
        """POST /v1/batch."""
        return self.batched(await request.read_bytes(MAX_BATCH_BYTES, LINES.encode(), NOT_LINES))

    def batched(self, body: bytes) -> CallBatch:
        """The same, of its body."""
        return CallBatch(rows_of(body, self._limit), self._called)

    async def _called(self, call: BatchedCall) -> bytes:
        if call.commit is not None:
            return _encode(await self.carry_out(call.commit))
        assert call.open is not None
        return self._at_hand(call.open) or _encode(await self.load(call.open))

    async def _reopen(self, wanted: CommitRequest) -> Session:
        client, presented = client_of(wanted.client), self._visitor_keys.shown(wanted)
        if wanted.token is not None and wanted.status != "none":
            session = await self._as_of(wanted.opened_at).open(wanted.token, client, presented)
            # An end that was told is one, though somebody was seen right after: what follows it is another session's.
            if wanted.status == "active" or session._live is None:
                return session
        session = self._manager.anonymous(client, presented=presented)
        session._presented = wanted.token is not None
        return session

    def _as_of(self, at: int | None) -> AsyncSessionManager:
        # Judged as it was: a secret that was renewed while a slow request was at work is no theft, and its activity was
        # then. Whether the session still lives is the store's to say, when it is written.
        moment = self._moment(at)
        return self._manager if moment is None else self._manager._as_of(moment)

    def _moment(self, at: int | None) -> int | None:
        now = self._manager.clock()
        return None if at is None or at >= now else max(at, now - REQUEST_LIFETIME_MS)

    async def config(self, request: BackEndRequest) -> bytes:
        """GET /v1/config."""
        return self._configuration

    async def list(self, request: BackEndRequest) -> bytes:
        """GET /v1/users/{user_id}/sessions."""
        given = _query(request, "after", "limit")
        after, limit = given.get("after"), given.get("limit", "100")
        if not (after is None or _is_id(after)) or not _is_limit(limit):
            raise RequestRefused(BAD_PAGE)
        sessions = await self._manager.list(_user_id(request), after=after or "", limit=int(limit))
        return _encode(ListedSessions([FoundSession.of(each) for each in sessions]))

    async def revoke_all(self, request: BackEndRequest) -> bytes:
        """DELETE /v1/users/{user_id}/sessions."""
        given = _query(request, "keep", "by", "address")
        keep, asks = given.get("keep"), _asker(given)
        if keep is not None and not _is_id(keep):
            raise RequestRefused(BAD_KEEP)
        return _encode(
            EndedCount(await self._manager.revoke_all(_user_id(request), keep=keep, by=asks.by, address=asks.address))
        )

    async def get(self, request: BackEndRequest) -> bytes:
        """GET /v1/sessions/{id}."""
        session = await self._manager.get(request.path)
        return _encode(Found(FoundSession.of(session) if session else None))

    async def end(self, request: BackEndRequest) -> bytes:
        """GET /v1/sessions/{id}/end."""
        wait = _query(request, "wait").get("wait", "20")
        if not _is_wait(wait) or int(wait) > LONGEST_WAIT:
            raise RequestRefused(BAD_WAIT)
        return _encode(await await_end(self._manager, request, request.path, int(wait), self.stopping))

    async def revoke(self, request: BackEndRequest) -> bytes:
        """DELETE /v1/sessions/{id}."""
        asks = _asker(_query(request, "by", "address"))
        ended = await self._manager.revoke(request.path, by=asks.by, address=asks.address)
        return _encode(EndedCount(int(ended)))


def _is_over(session: Session, now: int) -> bool:
    """Whether a session that lived when its request began has run out by now."""
    live = session._live
    return live is not None and live.end_reason_at(now) is not None


def _configuration(policy: Policy, cookie: CookieOptions) -> Configuration:
    shape = CookieShape(
        name=cookie.name,
        path=cookie.path,
        domain=cookie.domain,
        same_site=cookie.same_site,
        secure=not cookie.insecure_http,
        partitioned=cookie.partitioned,
    )
    return Configuration(cookie=shape, policy=dataclasses.asdict(policy), version=__version__)


def _query(request: BackEndRequest, *names: str) -> dict[str, str]:
    """The parameters of the query. A misspelled one, left out in silence, would end a session that was to be kept."""
    given = parse_qs(request.query.decode("latin-1"), keep_blank_values=True)
    if not given.keys() <= set(names) or any(len(values) != 1 for values in given.values()):
        raise RequestRefused(bad_query(names))
    return {name: value for name, (value,) in given.items()}


def _asker(given: Mapping[str, str]) -> Actor:
    """Who asks for an end: whom the back end names, or the API key itself."""
    try:
        asks = Actor.named(given.get("by", f"key:{acting_key.get()}"), given.get("address", ""))
    except ConfigurationError:
        raise RequestRefused(BAD_ACTOR) from None
    if not _is_address(asks.address):
        raise RequestRefused(BAD_ACTOR)
    return asks


def _user_id(request: BackEndRequest) -> str:
    try:
        user_id = unquote(request.path, errors="strict")
    except UnicodeDecodeError:
        raise RequestRefused(NOT_FOUND) from None
    if len(user_id) > 255:
        raise RequestRefused(NOT_FOUND)
    return user_id
