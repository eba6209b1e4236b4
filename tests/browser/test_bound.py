"""Sessions that are bound to a browser's key: what is copied out of it opens nothing, and it goes on itself."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
from playwright.async_api import BrowserContext, Request

from sojourn import Policy

from .stage import Stage, serve
from .tab import Tab

# Firefox is asked what is its own: how it keeps keys, and what another profile has of them.
both = pytest.mark.engines("chromium", "firefox")

OPEN = """async ([storage, transport]) => {
	const {bound} = await import("/session/bound.js");
	const session = createSessionClient({url: "/session", storage, transport: bound(transport)});
	const seen = [], errors = [];
	session.on("ended", ({reason}) => seen.push(`ended ${reason}`));
	session.on("error", ({error}) => errors.push(error.code ?? String(error)));
	Object.assign(window, {session, seen, errors});
}"""
KEPT = """() => new Promise((resolve) => {
	indexedDB.open("sojourn").onsuccess = ({target: {result: db}}) => {
		db.transaction("keys").objectStore("keys").get("P-256").onsuccess = ({target}) => {
			db.close();
			resolve(target.result);
		};
	};
})"""


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    stage = Stage(Policy(binding="prefer"))
    async with serve(stage) as stage.url:
        yield stage


@pytest.fixture
async def renewing() -> AsyncIterator[Stage]:
    """A stage that renews each minute, so that a proof is owed after two."""
    stage = Stage(Policy(binding="prefer", rotate_interval=60))
    async with serve(stage) as stage.url:
        yield stage


async def open_bound(context: BrowserContext, stage: Stage, storage: str = "local", transport: str = "fetch") -> Tab:
    tab = Tab(await context.new_page())
    await tab.page.goto(stage.url + "/page")
    await begin(tab, storage, transport)
    return tab


async def begin(tab: Tab, storage: str = "local", transport: str = "fetch") -> None:
    await tab.page.wait_for_function("() => window.createSessionClient", polling=20)
    await tab.page.evaluate(OPEN, [storage, transport])


async def thumbprints(stage: Stage) -> list[str | None]:
    """Those of the keys that the store's live sessions are bound to."""
    records = await stage.manager._store.scan("", 100)
    return [record.key_thumbprint or record.renewal_key for record in records if record.ended_at is None]


async def stored(tab: Tab) -> dict[str, str]:
    found: dict[str, str] = await tab.page.evaluate("() => ({...localStorage})")
    return found


async def cookie_of(context: BrowserContext) -> str:
    """The session's token."""
    [token] = [cookie["value"] for cookie in await context.cookies() if cookie["name"] == "__Host-session"]
    return token


async def open_copy(context: BrowserContext, stage: Stage) -> tuple[BrowserContext, Tab]:
    """Another profile that has this one's cookies, and a page in it."""
    assert context.browser is not None
    profile = await context.browser.new_context()
    await profile.add_cookies([cast(Any, dict(cookie)) for cookie in await context.cookies()])
    return profile, await open_bound(profile, stage, "cookie")


async def pay(tab: Tab) -> int:
    """With what status the server answers that wants a log-in of the last five minutes."""
    status: int = await tab.page.evaluate("() => session.fetch('/pay', {method: 'POST'}).then(({status}) => status)")
    return status


def curl(url: str, *headers: str) -> str:
    words = [word for header in headers for word in ("-H", header)]
    return subprocess.run(["curl", "-s", *words, url], capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("storage", "transport"),
    [
        ("local", "fetch"),
        ("local", "xhr"),
        ("session", "xhr"),
        ("memory", "fetch"),
        ("cookie", "fetch"),
        ("cookie", "xhr"),
    ],
)
async def test_the_whole_life_of_a_bound_session(
    context: BrowserContext, stage: Stage, storage: str, transport: str
) -> None:
    tab = await open_bound(context, stage, storage, transport)
    await tab.call("start", {"a": 1})
    assert (await tab.call("set", {"b": "ä"}))["data"] == {"a": 1, "b": "ä"}
    assert await tab.log_in("eve") == 200
    await tab.until("state.userId === 'eve'")
    assert (await tab.call("touch"))["data"] == {"a": 1, "b": "ä"}
    assert [one["current"] for one in await tab.call("list")] == [True]
    [bound_to] = await thumbprints(stage)
    assert bound_to is not None
    assert (await tab.call("logout"))["endReason"] == "logout"
    assert await thumbprints(stage) == []
    assert (tab.thrown, await tab.errors()) == ([], [])


@pytest.mark.parametrize("transport", ["fetch", "xhr"])
async def test_what_is_copied_to_another_profile_or_to_curl_is_refused(
    context: BrowserContext, stage: Stage, transport: str
) -> None:
    tab = await open_bound(context, stage, transport=transport)
    assert await tab.log_in("ada") == 200
    loot = await stored(tab)
    [token] = [value for value in loot.values() if value.startswith("sj1-")]
    me = stage.url + "/session/"
    for shown in (f"Authorization: Bearer {token}", f"Authorization: DPoP {token}", f"Cookie: __Host-session={token}"):
        assert "urn:sojourn:problem:proof-required" in await asyncio.to_thread(curl, me, shown)

    assert context.browser is not None
    profile = await context.browser.new_context()
    thief = Tab(await profile.new_page())
    await thief.page.goto(stage.url + "/blank")
    await thief.page.evaluate("(loot) => Object.assign(localStorage, loot)", loot)
    assert await stored(thief) == loot
    await thief.page.goto(stage.url + "/page")
    await begin(thief, transport=transport)
    await thief.until("state.status === 'none'")
    assert await stored(thief) == {}
    await profile.close()

    assert (await tab.call("touch"))["userId"] == "ada"


@both
async def test_no_script_can_read_the_key(context: BrowserContext, stage: Stage) -> None:
    tab = await open_bound(context, stage)
    await tab.log_in("ada")
    script = f"""async () => {{
        const {{privateKey}} = await ({KEPT})();
        const forms = ["jwk", "pkcs8"];
        const tries = forms.map((form) => crypto.subtle.exportKey(form, privateKey).catch(({{name}}) => name));
        return [privateKey.extractable, ...(await Promise.all(tries))];
    }}"""

    assert await tab.page.evaluate(script) == [False, "InvalidAccessError", "InvalidAccessError"]


@both
async def test_tabs_that_make_a_key_at_once_have_one(context: BrowserContext, stage: Stage) -> None:
    tabs = await asyncio.gather(*[open_bound(context, stage) for _ in range(4)])
    await tabs[0].log_in("ada")
    for tab in tabs:
        await tab.until("state.userId === 'ada'")
        assert (await tab.call("touch"))["userId"] == "ada"
    assert await tabs[3].log_in("eve") == 200
    for tab in tabs:
        await tab.until("state.userId === 'eve'")
        assert (await tab.call("touch"))["userId"] == "eve"


@both
async def test_a_page_that_is_loaded_anew_goes_on_with_its_key(context: BrowserContext, stage: Stage) -> None:
    tab = await open_bound(context, stage)
    await tab.log_in("ada")
    before = await thumbprints(stage)
    await tab.page.reload()
    await begin(tab)
    await tab.until("state.userId === 'ada'")

    assert (await tab.call("touch"))["userId"] == "ada"
    assert await tab.log_in("eve") == 200
    assert await thumbprints(stage) == before


async def test_an_old_nonce_costs_one_request_more_and_no_body(context: BrowserContext, stage: Stage) -> None:
    tab = await open_bound(context, stage)
    await tab.log_in("ada")
    stage.skew += 400_000
    before = stage.count("PATCH /session/")

    assert (await tab.call("set", {"a": "kept"}))["data"] == {"a": "kept"}
    assert stage.count("PATCH /session/") == before + 2
    assert (await tab.call("set", {"a": "again"}))["data"] == {"a": "again"}
    assert stage.count("PATCH /session/") == before + 3


async def test_many_requests_at_once_are_all_served(context: BrowserContext, stage: Stage) -> None:
    tab = await open_bound(context, stage)
    await tab.log_in("ada")
    stage.skew += 400_000
    script = """() => Promise.all(Array.from({length: 50}, () => session.fetch("/api").then(({status}) => status)))"""

    assert await tab.page.evaluate(script) == [200] * 50


async def test_a_redirect_is_followed(context: BrowserContext, stage: Stage) -> None:
    tab = await open_bound(context, stage)
    await tab.log_in("ada")
    script = """() => session.fetch("/moved").then(({status, url}) => [status, url])"""

    assert await tab.page.evaluate(script) == [200, stage.url + "/api"]


@pytest.mark.parametrize("storage", ["local", "cookie"])
async def test_a_browser_whose_clock_is_wrong_has_a_session_all_the_same(
    context: BrowserContext, stage: Stage, storage: str
) -> None:
    await context.add_init_script("{ const now = Date.now; Date.now = () => now() + 3 * 3600e3; }")
    tab = await open_bound(context, stage, storage)

    assert await tab.log_in("ada") == 200
    assert (await tab.call("touch"))["userId"] == "ada"
    assert await thumbprints(stage) != [None]


async def test_who_has_lost_the_key_logs_in_anew(context: BrowserContext, stage: Stage) -> None:
    tab = await open_bound(context, stage)
    await tab.log_in("ada")
    await tab.page.goto(stage.url + "/blank")
    lost = """() => new Promise((resolve, reject) => {
        const gone = indexedDB.deleteDatabase("sojourn");
        gone.onsuccess = () => resolve(true);
        gone.onblocked = gone.onerror = () => reject(new Error("held"));
    })"""
    assert await tab.page.evaluate(lost)
    await tab.page.goto(stage.url + "/page")
    await begin(tab)
    await tab.until("state.status === 'none'")

    assert await tab.log_in("ada") == 200
    assert (await tab.call("touch"))["userId"] == "ada"


async def test_a_server_that_binds_nothing_serves_a_client_with_a_key(context: BrowserContext) -> None:
    plain = Stage()
    async with serve(plain) as plain.url:
        tab = await open_bound(context, plain)
        assert await tab.log_in("ada") == 200
        assert (await tab.call("touch"))["userId"] == "ada"
        assert await thumbprints(plain) == [None]


@both
async def test_a_browser_that_keeps_no_keys_has_a_session_that_is_not_bound(
    context: BrowserContext, stage: Stage
) -> None:
    await context.add_init_script("Object.defineProperty(window, 'indexedDB', {get() { throw new Error('none'); }});")
    warnings: list[Any] = []
    tab = Tab(await context.new_page())
    tab.page.on("console", lambda message: warnings.append(message.text) if message.type == "warning" else None)
    await tab.page.goto(stage.url + "/page")
    await begin(tab)

    assert await tab.log_in("ada") == 200
    assert (await tab.call("touch"))["userId"] == "ada"
    assert await thumbprints(stage) == [None]
    assert any("not bound" in warning for warning in warnings)


@both
async def test_a_cookie_is_renewed_for_a_proof_and_no_page_load_brings_one(
    context: BrowserContext, renewing: Stage
) -> None:
    tab = await open_bound(context, renewing, "cookie")
    assert await tab.log_in("ada") == 200
    first, signed = await cookie_of(context), list[str]()

    def note(request: Request) -> None:
        if "dpop" in request.headers:
            signed.append(f"{request.method} {request.url.removeprefix(renewing.url)}")

    async def load() -> tuple[int, list[str]]:
        """How often a load of the page asks for the state, and what of it is signed."""
        before = renewing.count("GET /session/")
        signed.clear()
        await tab.page.reload()
        await begin(tab, "cookie")
        await tab.until("state.userId === 'ada'")
        return renewing.count("GET /session/") - before, list(signed)

    tab.page.on("request", note)
    assert await load() == (1, [])
    assert await cookie_of(context) == first
    renewing.skew += 61_000
    assert await load() == (2, ["GET /session/"])
    assert await cookie_of(context) != first
    assert await load() == (1, [])
    assert (await tab.state())["bound"] == "browser"
    assert (tab.thrown, await tab.errors()) == ([], [])


@both
async def test_a_copied_cookie_is_never_renewed_and_soon_at_no_level(context: BrowserContext, renewing: Stage) -> None:
    tab = await open_bound(context, renewing, "cookie")
    await tab.log_in("ada")
    profile, thief = await open_copy(context, renewing)
    await thief.until("state.userId === 'ada'")
    loot = await cookie_of(profile)
    assert await pay(thief) == 200
    for _ in range(2):
        renewing.skew += 61_000
        assert (await thief.call("refresh"))["userId"] == "ada"
    assert await cookie_of(profile) == loot

    # Nobody has proved the key: it is owed, to the owner's page too, who can.
    assert await pay(thief) == 401
    assert await pay(tab) == 200
    assert await cookie_of(context) != loot
    assert (await tab.call("refresh"))["userId"] == "ada"
    renewing.skew += 61_000
    assert (await thief.call("refresh"))["status"] == "none"
    assert (await tab.call("refresh"))["userId"] == "ada"
    assert await pay(tab) == 200
    assert await thumbprints(renewing) != [None]
    await profile.close()


async def test_where_a_key_is_required_a_page_that_is_loaded_late_proves_it(context: BrowserContext) -> None:
    stage = Stage(Policy(binding="require", rotate_interval=60))
    async with serve(stage) as stage.url:
        tab = await open_bound(context, stage, "cookie")
        assert await tab.log_in("ada") == 200
        stage.skew += 121_000
        shown = f"Cookie: __Host-session={await cookie_of(context)}"
        profile, thief = await open_copy(context, stage)
        await thief.until("state.status === 'none'")
        await profile.close()
        assert "urn:sojourn:problem:proof-required" in await asyncio.to_thread(curl, stage.url + "/session/", shown)

        await tab.page.reload()
        await begin(tab, "cookie")
        await tab.until("state.userId === 'ada'")
        assert await pay(tab) == 200


async def test_who_has_lost_the_key_to_a_cookie_is_asked_for_a_log_in_and_has_another(
    context: BrowserContext, renewing: Stage
) -> None:
    tab = await open_bound(context, renewing, "cookie")
    await tab.log_in("ada")
    before = await thumbprints(renewing)
    profile, elsewhere = await open_copy(context, renewing)
    renewing.skew += 121_000

    assert (await elsewhere.call("touch"))["userId"] == "ada"
    assert await pay(elsewhere) == 401
    assert await elsewhere.log_in("ada") == 200
    assert await pay(elsewhere) == 200
    [after] = await thumbprints(renewing)
    assert after not in (None, *before)
    await profile.close()
