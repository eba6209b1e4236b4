"""Places: pages whose address is not their base, and browsers that refuse cookies, storage and locks."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Playwright

from .conftest import FLAGS, PATIENCE, installed
from .stage import Stage, serve
from .tab import Tab, open_tab

both = pytest.mark.engines("chromium", "firefox")

IN_FRAME = """async ([kind, html]) => {
	const frame = document.createElement("iframe");
	if (kind === "srcdoc") frame.srcdoc = html;
	const loaded = new Promise((done) => (frame.onload = done));
	document.body.append(frame);
	if (kind === "srcdoc") await loaded;
	const page = frame.contentWindow;
	if (kind === "about:blank") {
		page.document.body.append(Object.assign(page.document.createElement("script"), {
			type: "module", textContent: 'import * as s from "/session/client.js"; Object.assign(window, s);',
		}));
	}
	while (!page.createSessionClient) await new Promise((done) => setTimeout(done, 10));
	const session = page.createSessionClient({url: "session"});
	return [page.location.href, (await session.start({n: 1})).data.n, session.state.status];
}"""
SCRIPT = '<script type="module">import * as s from "/session/client.js"; Object.assign(window, s);</script>'


@both
@pytest.mark.parametrize("kind", ["srcdoc", "about:blank"])
async def test_a_frame_without_an_address_asks_where_fetch_would(
    context: BrowserContext, stage: Stage, kind: str
) -> None:
    page = await context.new_page()
    await page.goto(f"{stage.url}/page")

    assert await page.evaluate(IN_FRAME, [kind, SCRIPT]) == [
        "about:srcdoc" if kind == "srcdoc" else "about:blank",
        1,
        "active",
    ]


@both
async def test_a_relative_url_is_relative_to_the_page_s_base(context: BrowserContext, stage: Stage) -> None:
    tab = Tab(await context.new_page())
    await tab.page.goto(f"{stage.url}/page")
    await tab.page.evaluate("document.head.append(Object.assign(document.createElement('base'), {href: '/far/away/'}))")
    await tab.page.wait_for_function("() => window.createSessionClient")
    told = await tab.page.evaluate("createSessionClient({url: '../../session'}).start({n: 1})")

    assert told["data"] == {"n": 1}
    assert "GET /far/away/session/" not in stage.asked


@both
async def test_where_a_page_has_no_base_at_all_the_calls_fail_and_nothing_is_thrown(
    context: BrowserContext, stage: Stage
) -> None:
    tab = Tab(await context.new_page())
    client = json.dumps(Path("src/sojourn/browser/static/client.js").read_text("utf-8"))
    script = f"""async (options) => {{
        const blob = URL.createObjectURL(new Blob([{client}], {{type: "text/javascript"}}));
        const {{createSessionClient}} = await import(blob);
        const session = createSessionClient({{...options, retries: 0}});
        return session.touch().then(() => "resolved", ({{name, code}}) => [name, code]);
    }}"""

    assert await tab.page.evaluate(script, {"url": "/session"}) == ["SessionError", "network"]
    assert tab.thrown == []


@pytest.fixture(params=["chromium", "firefox"])
async def wary(request: pytest.FixtureRequest, playwright: Playwright, tmp_path: Path) -> AsyncIterator[BrowserContext]:
    """A browser whose user has blocked all cookies, and with them storage and locks."""
    browser: Browser | None = None
    if request.param == "chromium":
        (tmp_path / "Default").mkdir()
        blocked = {"profile": {"default_content_setting_values": {"cookies": 2}}}
        (tmp_path / "Default/Preferences").write_text(json.dumps(blocked))
        context = await playwright.chromium.launch_persistent_context(
            tmp_path, executable_path=installed("chromium"), args=FLAGS
        )
    else:
        browser = await playwright.firefox.launch(
            channel="moz-firefox",
            executable_path=installed("firefox-esr"),
            firefox_user_prefs={"network.cookie.cookieBehavior": 2},
        )
        context = await browser.new_context()
    context.set_default_timeout(PATIENCE)
    yield context
    await context.close()
    if browser:
        await browser.close()


async def test_with_cookies_blocked_a_start_is_told_to_have_left_nothing(wary: BrowserContext, stage: Stage) -> None:
    await wary.add_init_script("window.warned = []; console.warn = (what) => warned.push(String(what))")
    tab = await open_tab(wary, stage)
    assert await refuses_locks(tab.page)
    assert (await tab.call("start", {"n": 1}))["status"] == "active"
    assert (await tab.call("set", {"n": 2}))["code"] == "no-session"

    assert (await tab.state())["status"] == "none"
    assert await tab.errors() == ["cookie-not-kept"]
    [warning] = await tab.page.evaluate("() => warned")
    assert warning.startswith("SessionError: cookie-not-kept: ")
    assert tab.thrown == []


@pytest.mark.engines("webkit")
async def test_over_plain_http_webkit_keeps_no_secure_cookie_and_the_client_says_so(context: BrowserContext) -> None:
    stage = Stage()
    async with serve(stage) as stage.url:
        tab = await open_tab(context, stage)
        await tab.settle()
        assert (await tab.call("start", {"n": 1}))["status"] == "active"
        assert (await tab.call("refresh"))["status"] == "none"
        assert await tab.errors() == ["cookie-not-kept"]


async def refuses_locks(page: Page) -> bool:
    script = "() => navigator.locks.request('any', () => 'given').catch(({name}) => name)"
    refused: str = await page.evaluate(script)
    return refused == "SecurityError"


async def test_with_storage_blocked_a_token_is_kept_in_memory_and_the_end_is_asked_for(
    wary: BrowserContext, stage: Stage
) -> None:
    tab = await open_tab(wary, stage, storage="local")
    await tab.settle()
    assert (await tab.call("start", {"n": 1}))["status"] == "active"
    assert (await tab.call("set", {"n": 2}))["data"] == {"n": 2}
    assert len(await tab.errors()) == 1
    asked = stage.count("GET /session/")
    await tab.page.evaluate("() => dispatchEvent(new PageTransitionEvent('pageshow', {persisted: true}))")
    await stage.until_asked("GET /session/", asked + 1)

    assert (await tab.state())["status"] == "active"
    assert len(await tab.errors()) == 1
    assert tab.thrown == []
