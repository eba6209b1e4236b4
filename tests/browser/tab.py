"""Tab: a page with a client of its own in a real browser, and what that client's listeners were told."""

from __future__ import annotations

from typing import Any

from playwright.async_api import BrowserContext, Page

from .stage import Stage

OPEN = """(options) => {
	const session = createSessionClient({url: "/session", ...options});
	const first = session.refresh().catch(() => {}); // joins what the client has begun by itself
	const seen = [], errors = [];
	session.subscribe(({status, expiring}) => seen.push(expiring ? status + ", expiring" : status));
	session.on("expiring", () => seen.push("warned"));
	session.on("ended", ({reason}) => seen.push(`ended ${reason}`));
	session.on("error", ({error}) => errors.push(error.code ?? String(error)));
	Object.assign(window, {session, first, seen, errors});
}"""
CALL = """([name, args]) =>
	session[name](...args).catch(({name, message, ...rest}) => ({error: name, message, ...rest}))"""
LOG_IN = """async (user) => {
	const answer = await session.fetch("/login", {method: "POST", body: JSON.stringify({user})});
	return answer.status;
}"""


class Tab:
    """`thrown` are the errors that nobody caught in its page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.thrown: list[str] = []
        page.on("pageerror", lambda error: self.thrown.append(str(error)))

    async def settle(self) -> None:
        """Waits for the answer to what the client asked as it began: a refresh would join that, however old it is."""
        await self.page.evaluate("() => first.then(() => {})")

    async def call(self, name: str, *args: Any) -> Any:
        """What a method of the client resolves with; where it rejects, the error, with its name as `error`."""
        return await self.page.evaluate(CALL, [name, args])

    async def begin(self, name: str, *args: Any, key: str = "pending") -> None:
        """Calls a method, and does not wait for it: `finish` does."""
        await self.page.evaluate(f"([name, args]) => {{ window.{key} = ({CALL})([name, args]); }}", [name, args])

    async def finish(self, key: str = "pending") -> Any:
        return await self.page.evaluate(f"() => window.{key}")

    async def log_in(self, user: str = "ada") -> Any:
        return await self.page.evaluate(LOG_IN, user)

    async def until(self, condition: str) -> None:
        """Waits for what holds in the page, such as `state.status === "active"`."""
        script = f"() => {{ const {{state}} = session; return {condition}; }}"
        await self.page.wait_for_function(script, polling=20)

    async def state(self) -> Any:
        return await self.page.evaluate("() => session.state")

    async def seen(self) -> list[str]:
        told: list[str] = await self.page.evaluate("() => seen")
        return told

    async def errors(self) -> list[str]:
        told: list[str] = await self.page.evaluate("() => errors")
        return told


async def open_tab(context: BrowserContext, stage: Stage, path: str = "/page", **options: Any) -> Tab:
    """A new tab; its client has these options, and is asking for the state."""
    tab = Tab(await context.new_page())
    await tab.page.goto(stage.url + path)
    await tab.page.wait_for_function("() => window.createSessionClient", polling=20)
    await tab.page.evaluate(OPEN, options)
    return tab
