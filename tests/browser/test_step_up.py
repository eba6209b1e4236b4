"""Step-up in real browsers: what asks for a recent log-in is refused, the user logs in again, and it is sent again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext
from starlette.responses import JSONResponse

from sojourn import Policy

from .stage import Stage, serve
from .tab import Tab, open_tab

# Firefox has what an engine decides; what our own script decides is decided alike in each.
both = pytest.mark.engines("chromium", "firefox")

ASK = """async (goesWell) => {
	const {createSessionClient} = await import("/session/step-up.js");
	window.refusals = [];
	window.uncaught = [];
	addEventListener("error", ({message}) => uncaught.push(message));
	window.session = createSessionClient({url: "/session", async reauthenticate(refusal) {
		refusals.push([refusal.code, refusal.maxAge, refusal.level ?? null]);
		if (goesWell === "throws") throw new Error("The dialog broke.");
		return goesWell && (await session.fetch("/login", {method: "POST", body: '{"user": "ada"}'})).ok;
	}});
	session.on("ended", ({reason}) => seen.push(`ended ${reason}`));
	session.on("error", ({error}) => errors.push(error.code ?? String(error)));
}"""
PAY = """async (body) => {
	const answer = await session.fetch("/pay", {method: "POST", body});
	return [answer.status, await answer.json()];
}"""
HOUR = 3_600_000


@pytest.fixture
async def stage(tls: Path | None) -> AsyncIterator[Stage]:
    """A stage that takes money, from who logged in in the last five minutes."""
    stage = Stage(Policy(idle_timeout=2 * HOUR / 1000))
    async with serve(stage, tls=tls) as stage.url:
        yield stage


async def open_late(context: BrowserContext, stage: Stage, goes_well: Any = True) -> Tab:
    """A tab whose user logged in an hour ago; whether the user can do so again."""
    tab = await open_tab(context, stage)
    await tab.log_in()
    stage.skew += HOUR
    await tab.page.evaluate("() => { session.close(); seen.length = 0; }")
    await tab.page.evaluate(ASK, goes_well)
    await tab.until('state.status === "active"')
    stage.asked.clear()
    return tab


@both
async def test_after_a_new_log_in_the_request_is_sent_again_with_its_body(
    context: BrowserContext, stage: Stage
) -> None:
    tab = await open_late(context, stage)
    assert await tab.page.evaluate(PAY, "five") == [200, {"paid": "five", "by": "ada"}]
    assert await tab.page.evaluate("() => refusals") == [["reauthentication-required", 300, None]]
    assert [asked for asked in stage.asked if asked.startswith("POST")] == ["POST /pay", "POST /login", "POST /pay"]
    assert await tab.seen() == []
    assert await tab.errors() == []


async def test_requests_that_are_refused_at_once_ask_once_and_are_all_sent_again(
    context: BrowserContext, stage: Stage
) -> None:
    tab = await open_late(context, stage)
    script = f"async () => Promise.all(['a', 'b', 'c'].map({PAY}))"
    assert [status for status, _ in await tab.page.evaluate(script)] == [200] * 3
    assert stage.count("POST /login") == 1
    assert len(await tab.page.evaluate("() => refusals")) == 1


async def test_the_client_s_own_calls_are_sent_again_too(context: BrowserContext, stage: Stage) -> None:
    elsewhere = await open_tab(context, stage, storage="memory")
    await elsewhere.log_in()
    tab = await open_late(context, stage)
    assert await tab.call("revokeOthers") == 1
    assert len(await tab.page.evaluate("() => refusals")) == 1


@pytest.mark.parametrize("goes_well", [False, "throws"])
async def test_without_a_new_log_in_the_caller_has_the_refusal_and_nothing_is_sent_again(
    context: BrowserContext, stage: Stage, goes_well: Any
) -> None:
    tab = await open_late(context, stage, goes_well)
    status, problem = await tab.page.evaluate(PAY, "five")
    assert (status, problem["type"]) == (401, "urn:sojourn:problem:reauthentication-required")
    assert stage.count("POST /pay") == 1
    assert (await tab.call("revokeOthers"))["code"] == "reauthentication-required"
    uncaught = await tab.page.evaluate("() => uncaught")
    assert [message.rpartition("Error: ")[2] for message in uncaught] == (
        ["The dialog broke."] * 2 if goes_well else []
    )
    assert await tab.errors() == []


async def test_a_request_is_sent_again_once_where_the_new_log_in_is_not_enough(
    context: BrowserContext, stage: Stage
) -> None:
    tab = await open_late(context, stage)
    refusal = {"type": "urn:sojourn:problem:reauthentication-required", "level": "aal3"}
    stage.answer("POST /pay", JSONResponse(refusal, 401))
    assert await tab.page.evaluate(PAY, "five") == [401, refusal]
    assert stage.count("POST /pay") == 2
    assert len(await tab.page.evaluate("() => refusals")) == 1
