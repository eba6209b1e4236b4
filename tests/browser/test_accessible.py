"""Every page that ships, as axe-core, a keyboard, large text and a printer find it (WCAG 2.2, levels A and AA)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from sojourn import Policy
from tests.conftest import StartServer
from tests.django.project.running import run_project

from .npm import PACKAGES
from .stage import Stage, serve
from .test_demo import demo, enter

ROOT = Path(__file__).parents[2]
ONE_SESSION = ROOT / "examples/one-session/page"
AXE = """async () => {
	const found = await axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]});
	return found.violations.map(({id, nodes}) => `${id}: ${nodes.map(({target}) => target).join(" ")}`);
}"""
WIDE = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
# Elements with the focus of which nothing is to be seen, since something else lies over all of it.
COVERED = """() => {
	const {activeElement: element} = document, {left, top, right, bottom} = element.getBoundingClientRect();
	if (element === document.body || (right - left) * (bottom - top) < 4) return null;
	const points = [[left + 3, top + 3], [right - 3, bottom - 3], [(left + right) / 2, (top + bottom) / 2]];
	const around = element.closest("label") ?? element;
	const seen = points.some(([x, y]) => { const hit = document.elementFromPoint(x, y);
		return hit && (around.contains(hit) || hit.contains(element)); });
	return seen ? null : element.outerHTML.slice(0, 90);
}"""
# Borders of what one can press or fill in, against what is around them (1.4.11).
WEAK = """() => {
	const probe = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
	const paint = (colour, under) => { probe.fillStyle = under; probe.fillRect(0, 0, 1, 1); probe.fillStyle = colour;
		probe.fillRect(0, 0, 1, 1); return probe.getImageData(0, 0, 1, 1).data; };
	const linear = (c) => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
	const light = (rgb) => [...rgb].slice(0, 3).map(linear)
		.reduce((sum, c, i) => sum + c * [.2126, .7152, .0722][i], 0);
	const css = (rgb) => `rgb(${[...rgb].slice(0, 3)})`;
	const canvas = matchMedia("(prefers-color-scheme: dark)").matches ? "#121212" : "#fff";
	const behind = (element) =>
		element ? css(paint(getComputedStyle(element).backgroundColor, behind(element.parentElement))) : canvas;
	return [...document.querySelectorAll("button, input:not([type=radio], [type=checkbox]), .tabs span, .button")]
		.filter((element) => element.checkVisibility() && !element.disabled)
		.filter((element) => getComputedStyle(element).appearance !== "auto")
		.filter((element) => parseFloat(getComputedStyle(element).borderBottomWidth) > 0)
		.map((element) => {
			const around = behind(element.parentElement);
			const border = light(paint(getComputedStyle(element).borderBottomColor, around));
			const ground = light(paint("transparent", around));
			const fill = light(paint(behind(element), around));
			const ratio = (x, y) => (Math.max(x, y) + .05) / (Math.min(x, y) + .05);
			return [element.outerHTML.slice(0, 70), Math.max(ratio(border, ground), ratio(fill, ground))];
		}).filter(([, ratio]) => ratio < 3).map(([what, ratio]) => `${what} ${ratio.toFixed(2)}`);
}"""

VIEWS = [(scheme, width) for scheme in ("light", "dark") for width in (390, 1400)]


@pytest.fixture(scope="module")
def django(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with run_project("gunicorn", "ours", tmp_path_factory.mktemp("shop")) as server:
        yield server.url


@pytest.fixture
async def shipped(
    request: pytest.FixtureRequest, start_server: StartServer, tmp_path: Path, page: Page, shown: str
) -> AsyncIterator[Page]:
    """A page that ships, with somebody signed in where it can."""
    async with AsyncExitStack() as running:
        if shown == "demo":
            await page.goto(start_server(demo(tmp_path), path="/session").url)
            await enter(page, "ada")
            await page.click(".thing >> nth=0")
            await expect(page.locator("#record td").first).to_be_visible()
        elif shown == "example":
            stage = Stage(Policy(idle_timeout=3600))
            stage.url = await running.enter_async_context(serve(stage))
            await page.goto(f"{stage.url}/example")
            await page.get_by_label("Name").fill("ada")
            await page.get_by_label("Password").fill("sesame")
            await page.get_by_role("button", name="Sign in").click()
            await expect(page.get_by_role("heading", level=1)).to_have_text("Hello, ada")
        elif shown == "one session":
            await open_one_session(page)
        else:
            url: str = request.getfixturevalue("django")
            for _ in range(2):
                await page.context.clear_cookies()
                await page.goto(f"{url}/login?next=/session/devices/")
                await page.get_by_label("Name").fill("ada")
                await page.get_by_label("Password").fill("sesame")
                await page.get_by_role("button", name="Sign in").click()
                await expect(page.locator(".devices > li").first).to_be_visible()
        yield page


async def open_one_session(page: Page) -> None:
    """The page's own files, with no back end behind them: its cards say so."""
    kinds = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

    async def answer(route: Any) -> None:
        name = route.request.url.rpartition("/")[2] or "index.html"
        file = ROOT / "src/sojourn/browser/static/client.js" if name == "client.js" else ONE_SESSION / name
        if file.is_file():
            await route.fulfill(body=file.read_bytes(), content_type=kinds[file.suffix])
        else:
            await route.fulfill(status=502)

    await page.route("http://localhost:9/**", answer)
    await page.goto("http://localhost:9/")
    await expect(page.locator(".card").first).to_be_visible()


SHOWN = pytest.mark.parametrize("shown", ["demo", "example", "one session", "django"])


@SHOWN
async def test_axe_finds_nothing_in_light_and_dark_on_a_phone_and_on_a_desk(shipped: Page) -> None:
    for scheme, width in VIEWS:
        await shipped.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
        await shipped.set_viewport_size({"width": width, "height": 800})
        await shipped.evaluate((PACKAGES / "axe-core/axe.min.js").read_text())
        assert await shipped.evaluate(AXE) == [], (scheme, width)
        assert await shipped.evaluate(WEAK) == [], (scheme, width)


@SHOWN
async def test_the_focus_is_always_seen_on_a_phone_and_at_four_times_the_size(shipped: Page) -> None:
    for width, height in ((390, 800), (320, 256)):
        await shipped.set_viewport_size({"width": width, "height": height})
        await shipped.emulate_media(reduced_motion="reduce")
        await shipped.evaluate("() => { document.activeElement?.blur(); scrollTo(0, 0); }")
        for key in ["Tab"] * 45 + ["Shift+Tab"] * 45:
            await shipped.keyboard.press(key)
            assert await shipped.evaluate(COVERED) is None, (width, key)


@SHOWN
async def test_nothing_overflows_at_twice_the_text_on_a_phone(shipped: Page) -> None:
    await shipped.set_viewport_size({"width": 390, "height": 800})
    assert await shipped.evaluate(WIDE) <= 0
    # Not as a style sheet, which the demo's policy forbids.
    await shipped.evaluate("() => document.documentElement.style.setProperty('font-size', '200%', 'important')")
    assert await shipped.evaluate(WIDE) <= 0


@SHOWN
async def test_on_paper_there_is_nothing_to_press(shipped: Page) -> None:
    await shipped.emulate_media(media="print")
    for button in await shipped.locator("button:not(.link), .button").all():
        await expect(button).to_be_hidden()
    assert await shipped.evaluate("() => getComputedStyle(document.documentElement).colorScheme") == "light"
