"""Storages and transports: where the client keeps the session, how it asks, and to whom it shows a token."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.async_api import BrowserContext
from starlette.responses import Response

from .stage import Stage, serve
from .tab import Tab, open_tab

# Firefox has what an engine decides; what our own script decides is decided alike in each.
both = pytest.mark.engines("chromium", "firefox")
all_three = pytest.mark.engines("chromium", "firefox", "webkit")

TOKEN = re.compile(r"sj1-[0-9a-f]{32}-[0-9a-f]{64}")


async def stored(tab: Tab, kind: str = "localStorage") -> dict[str, str]:
    found: dict[str, str] = await tab.page.evaluate(f"() => ({{...{kind}}})")
    return found


async def token_of(tab: Tab) -> str:
    [token] = (await stored(tab)).values()
    assert TOKEN.fullmatch(token)
    return token


@all_three
@pytest.mark.parametrize(
    ("storage", "transport"),
    [
        ("cookie", "fetch"),
        ("cookie", "xhr"),
        ("local", "fetch"),
        ("local", "xhr"),
        ("session", "xhr"),
        ("memory", "fetch"),
    ],
)
async def test_the_session_s_whole_life(context: BrowserContext, stage: Stage, storage: str, transport: str) -> None:
    tab = await open_tab(context, stage, storage=storage, transport=transport)
    begun = await tab.call("start", {"a": 1})
    await tab.call("set", {"b": [1, "ä"]})
    await tab.call("remove", "a")
    assert (await tab.call("touch"))["data"] == {"b": [1, "ä"]}
    assert bool(await context.cookies()) == (storage == "cookie")
    assert await tab.log_in("eve") == 200
    state = await tab.state()
    assert (state["userId"], state["data"], state["id"] != begun["id"]) == ("eve", {"b": [1, "ä"]}, True)
    assert [one["current"] for one in await tab.call("list")] == [True]
    await tab.page.reload()
    await tab.page.wait_for_function("() => window.createSessionClient")
    script = "async (options) => (await createSessionClient({url: '/session', ...options}).refresh()).userId"
    options = {"storage": storage, "transport": transport}
    assert await tab.page.evaluate(script, options) == (None if storage == "memory" else "eve")
    if storage != "memory":
        script = "async (options) => (await createSessionClient({url: '/session', ...options}).logout()).endReason"
        assert await tab.page.evaluate(script, options) == "logout"
    assert await context.cookies() == []
    assert await stored(tab) == await stored(tab, "sessionStorage") == {}
    assert tab.thrown == []


@both
async def test_xhr_answers_as_fetch_does(context: BrowserContext, stage: Stage) -> None:
    tab = await open_tab(context, stage, transport="xhr")
    script = """async () => {
        const answer = await session.fetch("/api", {headers: {"X-A": "b: c"}});
        const none = await session.fetch("/session/?", {method: "HEAD"});
        const stop = new AbortController();
        const stopped = session.fetch("/api", {signal: stop.signal}).catch((error) => error.name);
        stop.abort();
        return [answer instanceof Response, answer.url, answer.status, answer.headers.get("content-type"),
            await answer.json(), none.status, await none.text(), await stopped,
            await session.fetch("/api", {signal: stop.signal}).catch((error) => error.name)];
    }"""
    told = await tab.page.evaluate(script)

    assert told[:4] == [True, f"{stage.url}/api", 200, "application/json"]
    assert told[4] == {"cookie": False, "x": "b: c"}
    assert told[5:] == [200, "", "AbortError", "AbortError"]
    await context.set_offline(True)
    assert (await (await open_offline(tab, transport="xhr", retries=0)).call("touch"))["code"] == "network"


async def open_offline(tab: Tab, **options: Any) -> Tab:
    """The tab with another client in the place of its own."""
    await tab.page.evaluate(
        "(options) => void (window.session = createSessionClient({url: '/session', ...options}))", options
    )
    return tab


async def test_what_is_no_token_is_not_stored(context: BrowserContext, stage: Stage) -> None:
    stage.answer("GET /api", Response("{}", headers={"Sojourn-Token": "<script>"}))
    tab = await open_tab(context, stage, storage="local")
    await tab.page.evaluate("async () => void (await session.fetch('/api'))")

    assert await stored(tab) == {}


@all_three
async def test_a_new_token_is_taken_up_in_all_tabs(context: BrowserContext, stage: Stage) -> None:
    one, other = [await open_tab(context, stage, storage="local") for _ in range(2)]
    await one.call("start")
    before = await token_of(one)
    await one.log_in()
    await other.until('state.userId === "ada"')

    assert await token_of(other) != before
    assert (await other.call("set", {"n": 1}))["data"] == {"n": 1}
    assert [what for tab in (one, other) for what in await tab.seen() if what.startswith("ended")] == []


async def test_without_broadcast_channel_tabs_are_apart_and_their_token_stays(
    context: BrowserContext, stage: Stage
) -> None:
    await context.add_init_script("delete window.BroadcastChannel")
    one, other = [await open_tab(context, stage, storage="local") for _ in range(2)]
    await other.settle()
    await one.call("start", {"n": 1})
    token = await token_of(one)
    await one.call("set", {"n": 2})

    assert await token_of(one) == token
    assert (await other.call("refresh"))["data"] == {"n": 2}
    assert one.thrown + other.thrown == []


async def test_the_application_s_requests_leave_the_cookie_out_beside_a_token(
    context: BrowserContext, stage: Stage
) -> None:
    cookie = await open_tab(context, stage)
    await cookie.call("start")
    bearer = await open_tab(context, stage, storage="memory")
    script = "async (init) => (await (await session.fetch('/api', init)).json()).cookie"

    assert await cookie.page.evaluate(script, {}) is True
    assert await bearer.page.evaluate(script, {}) is False
    assert await bearer.page.evaluate(script, {"credentials": "include"}) is True


@all_three
async def test_a_late_answer_of_an_old_session_overwrites_no_newer_log_in(
    context: BrowserContext, stage: Stage
) -> None:
    one, other = [await open_tab(context, stage, storage="local") for _ in range(2)]
    await one.settle()
    await one.call("start")
    for kind, call in (("GET /session/", "refresh"), ("POST /session/logout", "logout")):
        await one.log_in("eve")
        await one.call("refresh")  # what the log-in asked may still be under way, and would be joined
        asked = stage.count(kind)
        release = stage.hold(kind)
        await one.begin(call)
        await stage.until_asked(kind, asked + 1)
        await other.log_in("ada")
        token = await token_of(one)
        release.set()
        state = await one.finish()

        assert await token_of(one) == token
        assert (state["status"], state["userId"]) == ("active", "ada")


@both
async def test_another_origin_sees_no_token_and_can_plant_none_unless_it_is_named(
    context: BrowserContext, stage: Stage
) -> None:
    seen: list[dict[str, str]] = []
    planted = f"sj1-{'0' * 32}-{'0' * 64}"

    async def elsewhere(scope: Any, _: Any, send: Any) -> None:
        seen.append({name.decode(): value.decode() for name, value in scope["headers"]})
        allow = {
            "access-control-allow-origin": stage.url,
            "access-control-allow-headers": "authorization, sojourn-transport",
            "access-control-expose-headers": "sojourn-token",
            "sojourn-token": planted,
        }
        headers = [(name.encode(), value.encode()) for name, value in allow.items()]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"{}"})

    async with serve(elsewhere, "127.0.0.1") as other:
        tab = await open_tab(context, stage, storage="local")
        await tab.call("start")
        token = await token_of(tab)
        script = "async (url) => void (await session.fetch(url, {method: 'POST'}))"
        await tab.page.evaluate(script, other)
        assert not {"authorization", "sojourn-transport"} & seen[-1].keys()
        assert await token_of(tab) == token

        named = await open_tab(context, stage, storage="local", origins=[other])
        await named.page.evaluate("async (url) => void (await session.fetch(url))", other)
        assert seen[-1]["authorization"] == f"Bearer {token}"


@both
async def test_storage_that_refuses_is_replaced_by_memory(context: BrowserContext, stage: Stage) -> None:
    tab = await open_tab(context, stage, "/page", storage="local")
    await tab.page.evaluate("""() => {
        const full = "x".repeat(2 ** 20);
        for (let size = full.length; size; size >>= 1) try {
            for (let number = 0; number < 100; number++) localStorage[`${size} ${number}`] = full.slice(0, size);
        } catch {}
    }""")
    await tab.call("start")
    await tab.call("set", {"n": 1})

    assert (await tab.state())["data"] == {"n": 1}
    assert len(await tab.errors()) == 1
