"""What a back end did, done again to the session as it is now: the endpoints over a store in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from sojourn import AsyncSessionManager, Policy
from sojourn.core.cookie import CookieOptions
from sojourn.core.errors import EndReason, InvalidData, SessionConflict, SessionEnded
from sojourn.core.events import Event, Merged
from sojourn.service.refusal import RequestRefused
from sojourn.service.service_endpoints import ServiceEndpoints
from sojourn.stores.memory import AsyncMemoryStore
from sojourn.wire.answers import Committed, Opened
from sojourn.wire.requests import CommitRequest, OpenRequest

MINUTE = 60_000
HOUR = 60 * MINUTE


class World:
    """A service's inside: a manager on a clock that tests move, and back ends that open and commit."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.now = 1_800_000_000_000
        self.events: list[Event] = []
        self.store = AsyncMemoryStore()
        self.policy = policy
        self.manager = self.manager_at(lambda: self.now)
        self.endpoints = ServiceEndpoints(self.manager, CookieOptions())

    def manager_at(self, clock: Callable[[], int]) -> AsyncSessionManager:
        return AsyncSessionManager(self.store, self.policy, on_event=self.events.append, clock=clock)

    def open(self, token: str, at: int | None = None) -> Opened:
        return asyncio.run(self.endpoints.load(OpenRequest(token=token, opened_at=at)))

    def commit(self, token: str | None = None, **wanted: Any) -> Committed:
        """A commit of a request to which the session was told active, unless `wanted` has another status."""
        if token is not None:
            wanted = {"status": "active", **wanted}
        return asyncio.run(self.endpoints.carry_out(msgspec.convert({"token": token, **wanted}, CommitRequest)))

    def begin(self, user_id: str | None = None, **data: Any) -> str:
        """A session with `data`; its token."""
        action = {"type": "login", "user_id": user_id} if user_id else {"type": "start"}
        changes = {key: {"value": value} for key, value in data.items()}
        token = self.commit(changes=changes, action=action).token
        assert token is not None
        return token

    def data(self, token: str) -> Any:
        return data(self.open(token))

    def stored(self) -> int:
        """How many sessions there are, dead ones too."""
        return len(asyncio.run(self.manager.scan(limit=1000)))

    def forget(self, token: str) -> None:
        """The clean-up deletes the session, long after its end."""
        asyncio.run(self.manager.revoke(token[4:36]))
        asyncio.run(self.store.delete_expired(self.now + 1, 1000))


def data(answer: Opened | Committed) -> Any:
    return None if answer.session is None else msgspec.json.decode(answer.session.data)


def login(user_id: str) -> dict[str, Any]:
    return {"type": "login", "user_id": user_id}


LOGOUT = {"type": "logout"}
REGENERATE = {"type": "regenerate"}
START = {"type": "start"}


@pytest.fixture
def world() -> World:
    return World()


# Opening


def test_a_session_is_told_whole(world: World) -> None:
    token = world.begin("ada", cart=[1], name="Ada")
    answer = world.open(token)

    assert (answer.status, answer.end_reason, answer.commit_due) == ("active", None, False)
    assert answer.session is not None
    assert data(answer) == {"cart": [1], "name": "Ada"}
    assert answer.session.user_id == "ada"
    assert answer.session.authenticated_at == answer.session.created_at == answer.now == world.now
    assert answer.session.expires_at == world.now + 30 * MINUTE


@pytest.mark.parametrize("token", ["", "sj1-nothing", f"sj1-{'0' * 32}-{'0' * 64}", f"sjk1-{'0' * 8}-{'0' * 64}"])
def test_an_unknown_token_opens_nothing(world: World, token: str) -> None:
    answer = world.open(token)

    assert (answer.status, answer.session, answer.commit_due) == ("none", None, False)


def test_an_ended_session_tells_why(world: World) -> None:
    token = world.begin("ada")
    world.now += 30 * MINUTE

    answer = world.open(token)

    assert (answer.status, answer.end_reason, answer.session) == ("ended", "idle_timeout", None)


def test_a_commit_is_due_for_activity(world: World) -> None:
    token = world.begin("ada")
    world.now += 2 * MINUTE
    opening = world.open(token)
    assert opening.commit_due

    world.commit(token, opened_at=opening.now)
    assert not world.open(token).commit_due


def test_a_commit_is_due_for_a_new_secret(world: World) -> None:
    token = renewed(world, world.begin("ada"))

    assert world.open(token).commit_due
    answer = world.commit(token)
    assert (answer.status, answer.token) == ("active", None)
    assert not world.open(token).commit_due


def renewed(world: World, token: str) -> str:
    """Visit for an hour, until there is another token for the same session."""
    for _ in range(2):
        world.now += 20 * MINUTE
        world.commit(token)
    world.now += 20 * MINUTE
    new = world.commit(token).token
    assert new is not None
    assert new[:36] == token[:36]
    return new


def test_a_request_that_was_at_work_while_its_secret_was_renewed_is_no_thief(world: World) -> None:
    old = world.begin("ada")
    new = renewed(world, old)
    slow = world.open(old).now
    world.commit(new)
    world.now += 2 * MINUTE

    answer = world.commit(old, opened_at=slow, changes={"a": {"value": 1}})
    assert (answer.status, data(answer)) == ("active", {"a": 1})

    assert world.open(old, at=slow).status == "active"
    assert world.open(old).end_reason == "token_reuse"


# Activity


def test_activity_counts_from_the_open(world: World) -> None:
    token = world.begin("ada")
    world.now += 5 * MINUTE
    opened_at = world.now
    world.now += 10 * MINUTE  # a slow request

    answer = world.commit(token, opened_at=opened_at)

    assert answer.session is not None
    assert answer.session.seen_at == opened_at


def test_an_open_in_the_future_counts_as_now(world: World) -> None:
    token = world.begin("ada")
    world.now += 5 * MINUTE

    answer = world.commit(token, opened_at=world.now + 60 * MINUTE)

    assert answer.session is not None
    assert answer.session.seen_at == world.now


def test_a_passive_request_is_no_activity(world: World) -> None:
    token = world.begin("ada")
    began = world.now
    world.now += 5 * MINUTE

    answer = world.commit(token, passive=True, changes={"a": {"value": 1}})

    assert answer.session is not None
    assert answer.session.seen_at == began
    assert data(answer) == {"a": 1}


# Changes


def test_changes_without_a_token_begin_a_session(world: World) -> None:
    answer = world.commit(changes={"a": {"value": 1}})

    assert answer.status == "active"
    assert answer.token is not None
    assert answer.set_cookie == f"__Host-session={answer.token}; Path=/; Secure; HttpOnly; SameSite=Lax"
    assert world.data(answer.token) == {"a": 1}


def test_an_unknown_token_is_not_adopted(world: World) -> None:
    planted = f"sj1-{'1' * 32}-{'2' * 64}"
    answer = world.commit(planted, status="none", changes={"a": {"value": 1}})

    assert answer.token not in (None, planted)
    assert answer.session is not None
    assert answer.session.id != "1" * 32


def test_nothing_is_merged_into_a_new_session() -> None:
    world = World(Policy(on_conflict="raise"))
    for token in (None, f"sj1-{'1' * 32}-{'2' * 64}"):
        answer = world.commit(token, status="none", changes={"a": {"base": 1, "value": 2}, "b": {"base": 1}})
        assert (data(answer), answer.merged) == ({"a": 2}, [])


def test_nothing_asked_begins_nothing(world: World) -> None:
    answer = world.commit()

    assert (answer.status, answer.token, answer.set_cookie, answer.clear) == ("none", None, None, False)


def test_start_begins_an_empty_session(world: World) -> None:
    answer = world.commit(action=START)

    assert (answer.status, data(answer)) == ("active", {})


def test_keys_are_set_changed_and_removed(world: World) -> None:
    token = world.begin(a=1, b=2, c=3)
    answer = world.commit(
        token, changes={"a": {"base": 1, "value": 9}, "b": {"base": 2}, "d": {"value": None}, "e": {}}
    )

    assert data(answer) == {"a": 9, "c": 3, "d": None}
    assert (answer.merged, answer.token, answer.set_cookie) == ([], None, None)
    assert answer.session is not None
    assert answer.session.version == 2


def test_changes_are_merged_with_what_others_wrote_since(world: World) -> None:
    token = world.begin(cart=["tea"], prefs={"a": 1}, n=1)
    world.commit(token, changes={"cart": {"base": ["tea"], "value": ["tea", "milk"]}, "n": {"base": 1, "value": 2}})

    answer = world.commit(
        token,
        changes={
            "cart": {"base": ["tea"], "value": ["tea", "jam"]},
            "prefs": {"base": {"a": 1}, "value": {"a": 1, "b": 2}},
        },
    )

    assert data(answer) == {"cart": ["tea", "milk", "jam"], "prefs": {"a": 1, "b": 2}, "n": 2}
    assert answer.merged == ["cart"]
    assert [event.keys for event in world.events if isinstance(event, Merged)] == [("cart",)]


def test_the_later_writer_wins_unless_the_policy_says_otherwise(world: World) -> None:
    token = world.begin(n=1)
    world.commit(token, changes={"n": {"base": 1, "value": 2}})
    assert data(world.commit(token, changes={"n": {"base": 1, "value": 3}})) == {"n": 3}

    world = World(Policy(on_conflict="raise"))
    token = world.begin(n=1)
    world.commit(token, changes={"n": {"base": 1, "value": 2}})
    with pytest.raises(SessionConflict):
        world.commit(token, changes={"n": {"base": 1, "value": 3}})
    assert world.data(token) == {"n": 2}


def test_a_key_that_was_not_changed_is_not_written(world: World) -> None:
    token = world.begin(n=1)
    world.commit(token, changes={"n": {"base": 1, "value": 2}})

    answer = world.commit(token, changes={"n": {"base": 1, "value": 1}})

    assert (data(answer), answer.merged) == ({"n": 2}, [])


def test_increments_add_up(world: World) -> None:
    token = world.begin(n=1)
    for _ in range(3):
        world.commit(token, increments={"n": 2, "m": 1})

    assert world.data(token) == {"n": 7, "m": 3}


@pytest.mark.parametrize(
    "wanted",
    [
        {"changes": {"n": {"value": 2**63}}},
        {"changes": {"n": {"base": 2**63, "value": 1}}},
        {"increments": {"text": 1}},
        {"increments": {"n": 2**60}},
    ],
)
def test_what_a_session_cannot_hold_is_refused(world: World, wanted: dict[str, Any]) -> None:
    token = world.begin(text="x")
    with pytest.raises(InvalidData):
        world.commit(token, **wanted)
    assert world.data(token) == {"text": "x"}


# Logging in


def test_a_login_makes_a_new_session_and_takes_the_data_along(world: World) -> None:
    token = world.begin(cart=[1])
    answer = world.commit(token, action=login("ada"), changes={"name": {"value": "Ada"}})

    assert answer.token is not None
    assert data(answer) == {"cart": [1], "name": "Ada"}
    assert world.open(token).end_reason == "replaced"
    assert answer.session is not None
    assert (answer.session.user_id, answer.session.authenticated_at) == ("ada", world.now)


def test_a_remembered_login_outlives_the_browser(world: World) -> None:
    answer = world.commit(action={"type": "login", "user_id": "ada", "remember": True})

    assert answer.max_age == 30 * 86400
    assert answer.set_cookie is not None
    assert "; Max-Age=2592000;" in answer.set_cookie


def test_a_login_of_somebody_else_takes_nothing_along(world: World) -> None:
    token = world.begin("ada", secret=1)
    answer = world.commit(token, action=login("bob"), changes={"secret": {"base": 1}, "mine": {"base": 5, "value": 2}})

    assert data(answer) == {"mine": 2}


def test_a_double_login_keeps_the_data_of_both(world: World) -> None:
    """Both requests loaded the anonymous session; the first replaced it before the second came."""
    token = world.begin(cart=[1])
    world.commit(token, action=login("ada"), changes={"cart": {"base": [1], "value": [1]}})

    second = world.commit(
        token,
        action=login("ada"),
        changes={"cart": {"base": [1], "value": [1]}, "a": {"value": 2}},
        increments={"n": 1},
    )

    assert second.token is not None
    assert data(second) == {"cart": [1], "a": 2, "n": 1}


@pytest.mark.parametrize("reason", ["logout", "revoked"])
def test_a_login_after_another_end_takes_only_what_it_set(world: World, reason: EndReason) -> None:
    token = world.begin("ada", cart=[1])
    asyncio.run(world.manager.revoke(token[4:36], reason))

    answer = world.commit(
        token, action=login("ada"), changes={"cart": {"base": [1], "value": [1]}, "a": {"value": 2}, "b": {"base": 1}}
    )

    assert data(answer) == {"a": 2}


def test_a_double_login_of_somebody_else_takes_nothing_of_the_first_along(world: World) -> None:
    token = world.begin("ada", secret=1)
    world.commit(token, action=login("ada"))

    answer = world.commit(token, action=login("bob"), changes={"secret": {"base": 1, "value": 1}})

    assert data(answer) == {}


# Ending


def test_a_logout_ends_the_session_and_clears_the_cookie(world: World) -> None:
    token = world.begin("ada", cart=[1])
    answer = world.commit(token, action=LOGOUT)

    assert (answer.status, answer.end_reason, answer.session) == ("ended", "logout", None)
    assert answer.clear
    assert answer.set_cookie == "__Host-session=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax"
    assert world.open(token).end_reason == "logout"


def test_a_logout_without_a_session_is_no_error(world: World) -> None:
    assert world.commit(action=LOGOUT).set_cookie is None
    assert world.commit(f"sj1-{'1' * 32}-{'2' * 64}", status="none", action=LOGOUT).clear


def test_what_is_set_after_a_logout_begins_a_new_session(world: World) -> None:
    policy = Policy(on_conflict="raise")
    world = World(policy)
    token = world.begin("ada", flash="x", cart=[1])
    answer = world.commit(token, action=LOGOUT, changes={"flash": {"base": "x", "value": "bye"}, "cart": {"base": [1]}})

    assert answer.token is not None
    assert (data(answer), answer.clear) == ({"flash": "bye"}, False)
    assert world.open(token).end_reason == "logout"


# What a request may write that comes after the end depends on what it was told, and on no clock


LATE = [{"changes": {"a": {"value": 1}}}, {"increments": {"a": 1}}, {"action": REGENERATE}]


@pytest.mark.parametrize("later", [-1, 0, 1, 5 * MINUTE])
@pytest.mark.parametrize("wanted", LATE)
def test_a_change_of_a_request_that_was_told_active_is_refused_after_the_end(
    world: World, wanted: dict[str, Any], later: int
) -> None:
    """Whatever the clocks of back end, service and store say of which was first."""
    token = world.begin("ada")
    seen = world.open(token)
    assert seen.status == "active"
    world.now += later
    world.commit(token, action=LOGOUT)

    for opened_at in (seen.now, world.now, world.now + 7, None):
        with pytest.raises(SessionEnded) as caught:
            world.commit(token, opened_at=opened_at, **wanted)
        assert caught.value.reason == "logout"
    assert world.stored() == 1


@pytest.mark.parametrize("wanted", LATE)
def test_a_change_to_a_session_that_is_gone_is_refused(world: World, wanted: dict[str, Any]) -> None:
    token = world.begin("ada")
    world.forget(token)

    with pytest.raises(SessionEnded) as caught:
        world.commit(token, **wanted)
    assert caught.value.reason is None
    assert world.stored() == 0


def test_a_request_that_was_told_active_and_changed_nothing_is_told_of_the_end(world: World) -> None:
    token = world.begin("ada")
    seen = world.open(token).now
    world.commit(token, action=LOGOUT)

    for action in (None, START):
        answer = world.commit(token, opened_at=seen, action=action)
        assert (answer.status, answer.end_reason, answer.token) == ("ended", "logout", None)
        assert answer.set_cookie is None
    world.forget(token)
    answer = world.commit(token, opened_at=seen)
    assert (answer.status, answer.end_reason, answer.token) == ("none", None, None)


@pytest.mark.parametrize("later", [-1, 0, 1])
def test_a_request_that_was_told_of_the_end_may_begin_anew(world: World, later: int) -> None:
    token = world.begin("ada")
    ended_at = world.now
    world.commit(token, action=LOGOUT)
    world.now += later
    seen = world.open(token)
    assert (seen.status, seen.ended_at, seen.now) == ("ended", ended_at, world.now)

    answer = world.commit(token, status="ended", opened_at=seen.now, changes={"a": {"value": 1}})

    assert answer.token is not None
    assert answer.session is not None
    assert (answer.session.user_id, data(answer), answer.session.follows) == (None, {"a": 1}, "logout")


def test_a_request_that_was_told_of_a_time_out_leaves_alone_who_was_seen_right_after(world: World) -> None:
    """Its own page is a stranger's: what it writes is not for the session that lives on."""
    token = world.begin("ada", mine=1)
    world.now += 29 * MINUTE
    world.commit(token)  # a slow request, whose touch comes after the other one's open

    answer = world.commit(token, status="ended", changes={"mine": {"value": 2}}, increments={"n": 1})

    assert answer.session is not None
    assert (answer.session.user_id, data(answer)) == (None, {"mine": 2, "n": 1})
    assert world.data(token) == {"mine": 1}
    assert world.commit(token, status="ended", action=LOGOUT).clear
    assert world.open(token).status == "active"


def test_a_request_that_was_told_of_no_session_changes_none(world: World) -> None:
    """A copy of the store was not up to date yet, say."""
    token = world.begin("ada", mine=1)

    answer = world.commit(token, status="none", changes={"mine": {"value": 2}})

    assert answer.session is not None
    assert (answer.session.user_id, data(answer), answer.session.follows) == (None, {"mine": 2}, None)
    assert world.data(token) == {"mine": 1}


def test_who_logs_in_though_the_session_is_gone_takes_only_what_was_set(world: World) -> None:
    token = world.begin(cart=[1])
    world.forget(token)

    answer = world.commit(token, action=login("ada"), changes={"cart": {"base": [1], "value": [1]}, "a": {"value": 2}})

    assert answer.session is not None
    assert (answer.session.user_id, data(answer)) == ("ada", {"a": 2})


@pytest.mark.parametrize("wanted", [{}, {"changes": {"a": {"value": 1}}}, {"action": LOGOUT}, {"action": login("ada")}])
def test_a_commit_that_does_not_say_what_it_was_told_is_refused(world: World, wanted: dict[str, Any]) -> None:
    """As adapters before this service's send it: understood, it would be a guess."""
    token = world.begin("ada")
    with pytest.raises(RequestRefused) as caught:
        world.commit(token, status=None, **wanted)

    assert (caught.value.problem.status, caught.value.problem.code) == (400, "invalid-body")
    assert "`status` is missing" in caught.value.problem.detail
    assert "update it" in caught.value.problem.detail
    assert world.data(token) == {}


# What has run out is told to nobody, whenever a request says that it began


def test_no_claim_of_an_early_open_reads_a_session_that_has_run_out(world: World) -> None:
    token = world.begin("ada", secret="x")
    began = world.now
    world.now += 31 * MINUTE

    for at in (began, began + 29 * MINUTE, 0, -1):
        assert (world.open(token, at).end_reason, world.open(token, at).session) == ("idle_timeout", None)
        answer = world.commit(token, opened_at=at, passive=True)
        assert (answer.status, answer.end_reason, answer.session) == ("ended", "idle_timeout", None)


def test_a_request_at_work_is_activity_though_its_commit_comes_late(world: World) -> None:
    token = world.begin("ada")
    world.now += 29 * MINUTE
    seen = world.open(token).now
    world.now += 2 * MINUTE

    answer = world.commit(token, opened_at=seen, changes={"a": {"value": 1}})

    assert answer.session is not None
    assert (answer.session.seen_at, data(answer)) == (seen, {"a": 1})


def test_a_claim_of_an_early_open_goes_back_an_hour_and_no_further() -> None:
    world = World(Policy(idle_timeout=86400, absolute_timeout=5 * 86400))
    old = world.begin("ada")
    world.commit(renewed(world, old))
    world.now += 2 * HOUR
    assert world.open(old, at=world.now - 2 * HOUR).end_reason == "token_reuse"

    token = world.begin("bob")
    began = world.now
    world.now += 3 * HOUR
    answer = world.commit(token, opened_at=began)
    assert answer.session is not None
    assert answer.session.seen_at == world.now - HOUR


def test_regenerating_keeps_the_session_under_a_new_id(world: World) -> None:
    token = world.begin("ada", a=1)
    answer = world.commit(token, action=REGENERATE, changes={"b": {"value": 2}})

    assert answer.token not in (None, token)
    assert data(answer) == {"a": 1, "b": 2}
    assert world.open(token).end_reason == "replaced"


def test_regenerating_nothing_does_nothing(world: World) -> None:
    assert world.commit(action=REGENERATE).status == "none"
