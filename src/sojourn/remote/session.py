"""RemoteSession: a Session that a session service keeps, with what its commit must ask for. No I/O."""

from __future__ import annotations

from typing import Any

import msgspec

from sojourn.core.changes import changed, committed
from sojourn.core.codec import EncodedObject
from sojourn.core.commit import NO_REPLY, Reply
from sojourn.core.errors import ConfigurationError, EndReason, SessionEnded, SojournError, StoreUnavailable
from sojourn.core.merge import MISSING
from sojourn.core.outcome import become, end, refuse
from sojourn.core.record import Client, Record, Secrets
from sojourn.core.session import Session
from sojourn.core.store import Change
from sojourn.core.token import Token, parse
from sojourn.wire.answers import Committed, Opened, SessionState, ToldDevice
from sojourn.wire.requests import (
    ClientFacts,
    CommitRequest,
    KeyChange,
    LoginAction,
    LogoutAction,
    PresentedKey,
    RegenerateAction,
    ShownDevice,
    StartAction,
)

__all__ = ["RemoteSession", "as_remote", "opened_session"]


class RemoteSession(Session):
    """A Session and the token that opens it at the service, which is all that the service knows it by."""

    commit_due = False
    shown: PresentedKey | ShownDevice | None = None  # what this request showed for its key
    told_device: ToldDevice | None = None  # what the browser is to be told for a key of its own
    _asks_activity_alone = False

    def __init__(
        self,
        record: Record | None,
        opened_at: int,
        client: Client,
        token: Token | None = None,
        presented: bool = False,
        end_reason: EndReason | None = None,
    ) -> None:
        super().__init__(record, opened_at, client, token, presented, end_reason)
        self.token = token

    @property
    def _due(self) -> bool:
        return self.commit_due and not self.passive and self._live is not None

    def next_commit(self) -> CommitRequest | None:
        """What is to be asked of the service next; None where nothing is left to be written."""
        self._asks_activity_alone = False
        if self._logged_out and self._wish and self._leaving:
            # One commit, one action: whatever becomes of the second, the log-out holds.
            return CommitRequest(
                token=_reveal(self.token),
                status="active",
                opened_at=self.opened_at,
                **self._key(),
                action=LogoutAction(),
            )
        on_a_socket = self._live is not None and self._token is None
        if on_a_socket or not (self._values or self._wish or self._logged_out or self._due):
            # A socket's token grows old while it is open: shown to the service again, it would look like a stolen one.
            return None
        action, increments = self._action(), self._increments()
        changes = self._all_keys() if isinstance(action, LoginAction) else self._changed_keys()
        if not (action or changes or increments or self._due):
            return None
        self._asks_activity_alone = not (action or changes or increments or self._used)
        # A session that was over before the log-out has nothing to do with what follows.
        token = self.token if self._live or self._leaving or self._ended_id or self.end_reason else None
        client = self.client
        return CommitRequest(
            token=_reveal(token),
            status=("ended" if self.end_reason else "active") if token else None,
            client=ClientFacts(ip=client.ip, user_agent=client.user_agent) if client != Client() else None,
            passive=self.passive,
            opened_at=self.opened_at if token else None,
            changes=changes,
            increments=increments,
            used=tuple(self._used),
            **self._key(),
            action=action,
        )

    def _key(self) -> dict[str, Any]:
        """What a commit says of the key: that it was proved, or the proof, which was not used up then."""
        shown, proved = self.shown, self._proved
        if not isinstance(shown, ShownDevice):
            if proved is None:
                return {"presented": shown}
            return {"proved": proved.thumbprint} | ({"device": ShownDevice()} if proved.in_cookie else {})
        if proved is None:
            return {"device": shown}
        return {"proved": proved.thumbprint, "device": msgspec.structs.replace(shown, signed=None)}

    def heard(self, proved: str | None, nonce: str | None) -> None:
        """What the service said of the key."""
        if proved is not None:
            from sojourn.core.binding import Proved  # here: most applications bind no session

            before = self._proved.nonce if self._proved else None
            by_script = isinstance(self.shown, PresentedKey)
            self._proved = Proved(proved, "", None, at_once=True, nonce=nonce or before, in_cookie=not by_script)

    def _told_device(self, told: ToldDevice) -> None:
        self.told_device = told
        # The browser shows it from here on, and what follows in this request goes on with it.
        given = told.set_cookie.partition(";")[0]
        shown = self.shown if isinstance(self.shown, ShownDevice) else ShownDevice()
        if not given.endswith("="):
            cookies = "; ".join(filter(None, [shown.cookies, given]))
            self.shown = msgspec.structs.replace(shown, cookies=cookies)

    def _action(self) -> StartAction | LoginAction | LogoutAction | RegenerateAction | None:
        login = self._login
        if login:
            return LoginAction(
                user_id=login.user_id,
                remember=login.remember,
                level=login.level,
                methods=login.methods,
                keep=None if login.keep is None else tuple(login.keep),
            )
        if self._leaving or self._ended_id:
            return LogoutAction()
        if self._wish == "start":
            return None if self._live else StartAction()
        return RegenerateAction() if self._wish else None

    def _changed_keys(self) -> dict[str, KeyChange]:
        return {key: KeyChange(base=_raw(it.base), value=_raw(it.value)) for key, it in self._changes().items()}

    def _all_keys(self) -> dict[str, KeyChange]:
        """Unchanged ones too: where the session was replaced meanwhile, this is how its data comes along."""
        loaded = {key: _raw(text) for key, text in self._base.items()}
        return {key: KeyChange(base=raw, value=raw) for key, raw in loaded.items()} | self._changed_keys()

    def take(self, request: CommitRequest, answer: Committed) -> Reply:
        """The service wrote what was asked for: this is the session from here on, and this the browser must be told."""
        self.commit_due = False
        self.heard(answer.proved, answer.nonce)
        if answer.device:
            self._told_device(answer.device)
        token = parse(answer.token) if answer.token else None
        state = answer.session
        if self._wish and self._leaving and state is None:
            self._leaving, self._logged_out = None, False
            self.token = self._token = None
        elif state is None:
            # What is set from now on begins a new session, as after an open that found this one over.
            end(self, answer.end_reason)
        else:
            self._go_on(request, state, token, answer.now)
        return Reply(token, answer.clear, answer.max_age) if token or answer.clear else NO_REPLY

    def _go_on(self, request: CommitRequest, state: SessionState, token: Token | None, now: int) -> None:
        if self.token is None:
            self.opened_at = now
        # A renewed secret is for the browser: until it shows it, this request goes by the one it came with.
        if token and (self.token is None or token.id != self.token.id):
            self.token = self._token = token
        assert self.token is not None
        record = _record(state, self.token, now)
        sent = {
            key: Change(None, None if it.value is MISSING else bytes(it.value)) for key, it in request.changes.items()
        }
        set_since = changed(committed(self._base, sent, request.increments), self._values)
        become(self, record, self._token, record.data, request.increments)
        # A list that the handler holds stays the session's, but where another request changed it too.
        for key in changed(self._base, self._values):
            if key not in set_since:
                del self._values[key]

    def failed(self, error: SojournError) -> bool:
        """A commit raised `error`: as where a store refused it. Whether nothing is lost by that, as by is_upkeep."""
        if isinstance(error, StoreUnavailable) and self._asks_activity_alone:
            return True
        if isinstance(error, SessionEnded):
            end(self, error.reason)
        refuse(self, error)
        return False

    def forget_logout(self) -> Reply:
        """There was nothing that a log-out could end: only the browser is to forget."""
        if not self._logged_out:
            return NO_REPLY
        end(self, None)
        return Reply(clear=True) if self._presented else NO_REPLY


def opened_session(
    answer: Opened, token: Token, client: Client, shown: PresentedKey | ShownDevice | None
) -> RemoteSession:
    """The session that the service opened, for a request that showed this for its key."""
    session = _opened(answer, token, client)
    session.shown = shown
    session.heard(answer.proved, answer.nonce)
    if answer.owed and answer.session is not None:
        from sojourn.core.proved import Kept  # here: most applications bind no session

        session._kept = Kept(owes=True, wants=answer.owed)
    return session


def _opened(answer: Opened, token: Token, client: Client) -> RemoteSession:
    now, reason = answer.now, answer.end_reason
    if answer.session is not None:
        record = _record(answer.session, token, 0 if answer.commit_due else now)
        session = RemoteSession(record, now, client, token, True)
        session.commit_due = answer.commit_due
        return session
    if reason is None:
        return RemoteSession(None, now, client, presented=True)
    ended_at = now if answer.ended_at is None else answer.ended_at
    over = Record(
        id=token.id,
        secrets=Secrets(token.family, token.hash, ended_at),
        created_at=ended_at,
        seen_at=ended_at,
        idle_timeout=0,
        absolute_expires_at=ended_at,
        ended_at=ended_at,
        end_reason=reason,
    )
    return RemoteSession(over, now, client, token, True, reason)


def as_remote(session: Session) -> RemoteSession:
    """`session`, which a remote manager must have made. Raises ConfigurationError."""
    if not isinstance(session, RemoteSession):
        raise ConfigurationError("This session is another manager's. Commit it with the manager that opened it.")
    return session


def _record(state: SessionState, token: Token, renewed_at: int) -> Record:
    # The secrets are the service's to know. These say that the token opens the session; 0, that a commit is due.
    return Record(
        id=state.id,
        secrets=Secrets(token.family, token.hash, renewed_at, key="its own" if state.bound == "hardware" else ""),
        created_at=state.created_at,
        seen_at=state.seen_at,
        idle_timeout=state.idle_timeout,
        absolute_expires_at=state.absolute_expires_at,
        data=EncodedObject(state.data),
        version=state.version,
        user_id=state.user_id,
        authenticated_at=state.authenticated_at,
        remember=state.remember,
        level=state.level,
        methods=state.methods,
        # Whose key it is, is the service's to know too.
        key_thumbprint="" if state.bound == "browser" else None,
        follows=state.follows,
    )


def _reveal(token: Token | None) -> str | None:
    return token.reveal() if token else None


def _raw(text: bytes | None) -> Any:
    return MISSING if text is None else msgspec.Raw(text)
