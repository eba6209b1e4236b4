"""The life of sessions against a model: any order of visits, overlapping requests, ends, time and clean-up."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from sojourn import EndReason, Policy, Session, SessionEnded, SessionManager
from sojourn.core.store import Store
from tests.store_kinds import open_kind

POLICY = Policy(
    idle_timeout=100,
    absolute_timeout=1000,
    touch_interval=10,
    rotate_interval=50,
    rotate_grace=20,
    max_sessions=2,
    keep_ended=300,
)
USERS = ("ada", "bob")
KEYS = ("a", "b")


@dataclass
class Model:
    """What a session should be."""

    id: str
    user_id: str | None
    created_at: int
    seen_at: int
    dies_at: int
    data: dict[str, Any]
    ended: EndReason | None = None
    ended_at: int = 0
    ran_out_noted: bool = False
    """A clean-up or a log-in came after it had run out: a store may have written that down, or have left it."""

    def reason(self, now: int) -> EndReason | None:
        if self.ended:
            return self.ended
        idle_at = self.seen_at + 100_000
        if now < min(idle_at, self.dies_at):
            return None
        return "idle_timeout" if idle_at < self.dies_at else "absolute_timeout"

    def end(self, reason: EndReason, now: int) -> None:
        if self.ended is None:
            at = min(now, self.seen_at + 100_000, self.dies_at)
            self.ended, self.ended_at, self.data = self.reason(now) or reason, at, {}


@dataclass
class Slow:
    """A request that was opened and is not committed yet."""

    browser: int
    model: Model
    session: Session
    work: str
    key: str
    value: int
    loaded_seen_at: int = field(default=0)


class Life(RuleBasedStateMachine):
    slow_requests = Bundle("slow_requests")

    def __init__(self) -> None:
        super().__init__()
        self.now = 1_800_000_000_000
        self.store = self.make_store()
        self.manager = SessionManager(self.store, POLICY, clock=lambda: self.now)
        self.appended = 0
        self.models: list[Model] = []
        self.cookies: dict[int, tuple[str, Model]] = {}
        self.old_tokens: list[tuple[str, Model]] = []

    def make_store(self) -> Store:
        raise NotImplementedError

    def open(self, browser: int) -> tuple[Session, Model | None]:
        if browser not in self.cookies:
            return self.manager.anonymous(), None
        token, model = self.cookies[browser]
        session = self.manager.open(token)
        reason = model.reason(self.now)
        if session.status == "none":
            assert reason is not None, "a live session is not known"
            assert self.now >= (model.ended_at if model.ended else model.seen_at + 100_000) + 300_000
        else:
            assert session.end_reason == reason
            assert session.user_id == (None if reason else model.user_id)
            assert dict(session) == ({} if reason else model.data)
            assert session.id == model.id
        if reason:
            # Its token was shown after it had run out: from now on it is ended, whatever comes in late.
            model.end(reason, self.now)
            return session, None
        return session, model

    def run_out_may_be_noted(self, user: str | None = None) -> None:
        for model in self.models:
            if (user is None or model.user_id == user) and model.reason(self.now):
                model.ran_out_noted = True

    def commit(self, browser: int, session: Session) -> None:
        reply = self.manager.commit(session)
        if reply.token is not None:
            model = next((model for model in self.models if model.id == reply.token.id), None)
            if model is None:
                model = self.created(session)
            self.cookies[browser] = (reply.token.reveal(), model)
            self.old_tokens.append((reply.token.reveal(), model))
        if reply.clear:
            self.cookies.pop(browser, None)

    def created(self, session: Session) -> Model:
        record = session._live
        assert record is not None
        model = Model(record.id, record.user_id, record.created_at, self.now, record.absolute_expires_at, dict(session))
        self.models.append(model)
        return model

    def touched(self, model: Model, opened_at: int, loaded_seen_at: int) -> None:
        if opened_at - loaded_seen_at >= 10_000:
            model.seen_at = max(model.seen_at, opened_at)

    @rule(browser=st.integers(0, 3), key=st.sampled_from(KEYS), value=st.integers(0, 5))
    def writes(self, browser: int, key: str, value: int) -> None:
        session, model = self.open(browser)
        session[key] = value
        seen = session._live.seen_at if session._live else 0
        self.commit(browser, session)
        if model:
            model.data[key] = value
            self.touched(model, session.opened_at, seen)

    @rule(browser=st.integers(0, 3), passive=st.booleans())
    def reads(self, browser: int, passive: bool) -> None:
        session, model = self.open(browser)
        session.passive = passive
        seen = session._live.seen_at if session._live else 0
        self.commit(browser, session)
        if model and not passive:
            self.touched(model, session.opened_at, seen)

    @rule(browser=st.integers(0, 3), user=st.sampled_from(USERS))
    def logs_in(self, browser: int, user: str) -> None:
        self.now += 1  # of those made in the same instant any might be the oldest, and a run could not be repeated
        session, model = self.open(browser)
        carried = dict(model.data) if model and model.user_id in (None, user) else {}
        session.login(user)
        self.commit(browser, session)
        if model:
            model.end("replaced", self.now)
        self.run_out_may_be_noted(user)
        fresh = self.cookies[browser][1]
        assert fresh.data == carried
        assert (fresh.user_id, fresh.created_at, fresh.dies_at) == (user, self.now, self.now + 1_000_000)
        others = [m for m in self.models if m.user_id == user and m is not fresh and m.reason(self.now) is None]
        for oldest in sorted(others, key=lambda m: m.created_at)[: max(0, len(others) - 1)]:
            info = self.manager.get(oldest.id)
            assert info is not None
            assert info.end_reason == "limit"
            oldest.end("limit", self.now)

    @rule(browser=st.integers(0, 3))
    def logs_out(self, browser: int) -> None:
        session, model = self.open(browser)
        session.logout()
        self.commit(browser, session)
        if model:
            model.end("logout", self.now)
        assert browser not in self.cookies

    @rule(browser=st.integers(0, 3))
    def regenerates(self, browser: int) -> None:
        session, model = self.open(browser)
        session.regenerate()
        self.commit(browser, session)
        if model:
            fresh = self.cookies[browser][1]
            assert (fresh.user_id, fresh.data, fresh.dies_at) == (model.user_id, model.data, model.dies_at)
            model.end("replaced", self.now)

    @rule(
        target=slow_requests,
        browser=st.integers(0, 3),
        work=st.sampled_from(("set", "append", "add", "read")),
        key=st.sampled_from(KEYS),
        value=st.integers(6, 9),
    )
    def opens_slowly(self, browser: int, work: str, key: str, value: int) -> Slow | None:
        session, model = self.open(browser)
        if model is None or session._live is None:
            return None
        # Appends differ, as two requests that make the same list out of none count as one change.
        self.appended += 1
        value += 100 * self.appended
        if work == "set":
            session[key] = value
        elif work == "append":
            session.setdefault("list", []).append(value)
        elif work == "add":
            session.increment("n", value)
        return Slow(browser, model, session, work, key, value, session._live.seen_at)

    @rule(slow=consumes(slow_requests))
    def commits_at_last(self, slow: Slow | None) -> None:
        if slow is None:
            return
        model, session = slow.model, slow.session
        if model.ran_out_noted and (reason := model.reason(self.now)):
            record = self.store.get(model.id)
            if record is None or record.ended_at is not None:
                model.end(reason, self.now)
        seen = model.seen_at
        self.touched(model, session.opened_at, slow.loaded_seen_at)
        if model.reason(self.now) is not None:
            model.seen_at = seen
            if slow.work == "read":
                self.commit(slow.browser, session)
                return
            known = self.manager.get(model.id)
            with pytest.raises(SessionEnded) as refused:
                self.commit(slow.browser, session)
            assert refused.value.reason == (model.reason(self.now) if known else None)
            return
        self.commit(slow.browser, session)
        if slow.work == "set":
            model.data[slow.key] = slow.value
        elif slow.work == "append":
            model.data["list"] = [*model.data.get("list", []), slow.value]
        elif slow.work == "add":
            model.data["n"] = model.data.get("n", 0) + slow.value

    @precondition(lambda self: self.models)
    @rule(data=st.data())
    def revokes(self, data: st.DataObject) -> None:
        model = data.draw(st.sampled_from(self.models))
        self.manager.revoke(model.id)
        model.end("revoked", self.now)

    @rule(user=st.sampled_from(USERS), browser=st.none() | st.integers(0, 3))
    def revokes_all(self, user: str, browser: int | None) -> None:
        keep = self.cookies[browser][1].id if browser in self.cookies else None
        self.manager.revoke_all(user, keep=keep)
        for model in self.models:
            if model.user_id == user and model.id != keep:
                model.end("revoked", self.now)

    @rule(seconds=st.sampled_from((1, 5, 11, 25, 60, 99, 101, 400)))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds * 1000

    @rule()
    def cleans_up(self) -> None:
        self.manager.delete_expired()
        self.run_out_may_be_noted()

    @precondition(lambda self: self.old_tokens)
    @rule(data=st.data())
    def an_old_token_of_an_ended_session_is_shown(self, data: st.DataObject) -> None:
        token, model = data.draw(st.sampled_from(self.old_tokens))
        reason = model.reason(self.now)
        if reason is None:
            return
        session = self.manager.open(token)
        model.end(reason, self.now)
        assert session.status != "active"
        assert session.user_id is None
        assert dict(session) == {}

    @invariant()
    def a_users_list_is_the_live_sessions(self) -> None:
        for user in USERS:
            live = {model.id for model in self.models if model.user_id == user and model.reason(self.now) is None}
            assert {info.id for info in self.manager.list(user)} == live
            assert len(live) <= 2

    def teardown(self) -> None:
        self.manager.close()


# One of each engine, of each shell, and of each channel of the cache.
KINDS = (
    "memory",
    "sqlite",
    "async postgres",
    "redis",
    "async valkey cluster",
    "cached postgres",
    "async cached redis",
)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS)
def test_life(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """8,000 steps in memory, 3,000 on each engine beside, and 2,000 through a cache and on a cluster.

    At each of them the index of a user is what the model says that it is.
    """

    class Here(Life):
        def make_store(self) -> Store:
            (tmp_path / "sessions.sqlite3").unlink(missing_ok=True)
            return open_kind(kind, request, tmp_path)

    fewer = "cached" in kind or "cluster" in kind
    examples, steps = (200, 40) if kind == "memory" else (20 if fewer else 30, 100)
    quiet = (HealthCheck.too_slow, HealthCheck.filter_too_much)
    run_state_machine_as_test(
        Here,
        settings=settings(max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=quiet),
    )
