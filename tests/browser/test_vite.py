"""Vite's development server before an API, set up as docs/other-origin.md says: one origin, and nothing to set."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.async_api import BrowserContext

from tests.server import Server
from tests.servers.port import find_port

from .npm import NODE, PACKAGES, make_project
from .sites import Sites
from .tab import OPEN, Tab

PAGE = Path(__file__).parents[2] / "docs/other-origin.md"
VITE = [NODE, str(PACKAGES / "vite/bin/vite.js"), "--port", "{port}", "--strictPort", "--host", "127.0.0.1"]
FRONT = {
    "index.html": '<!doctype html><html lang="en"><title>Vite</title><script type="module" src="/main.js"></script>',
    "main.js": 'import * as sojourn from "sojourn-client"; Object.assign(window, sojourn);',
}
SAY = """() => new Promise((done) => {
	const socket = new WebSocket(`ws://${location.host}/ws`);
	socket.onmessage = ({data}) => done(data);
	socket.onerror = () => done("refused");
})"""


def start_vite(sites: Sites, folder: Path, api: Server, port: int, changes: str = "") -> Server:
    """The page's own configuration, but for the API's address and for what is said of each target besides."""
    [config] = re.findall(r"^```mjs\n// vite.config.js\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    config = config.replace("http://localhost:8000", f"http://127.0.0.1:{api.port}")
    assert str(api.port) in config
    project = make_project(folder, {**FRONT, "vite.config.js": config.replace("{target", f"{{{changes}target")})
    return sites.run(VITE, folder=project, port=port)


async def log_in(context: BrowserContext, front: Server) -> Tab:
    tab = Tab(await context.new_page())
    await tab.page.goto(front.url)
    await tab.page.wait_for_function("() => window.createSessionClient")
    await tab.page.evaluate(OPEN, {})
    assert await tab.log_in() == 200
    assert (await tab.call("set", {"n": 1}))["userId"] == "ada"
    return tab


async def test_behind_the_proxy_the_session_and_a_web_socket_work(
    context: BrowserContext, sites: Sites, tmp_path: Path
) -> None:
    front = start_vite(sites, tmp_path / "front", sites.start("starlette"), find_port())
    tab = await log_in(context, front)

    assert await tab.page.evaluate(SAY) == "ada"


async def test_with_a_changed_host_a_web_socket_is_refused_until_the_page_is_trusted(
    context: BrowserContext, sites: Sites, tmp_path: Path
) -> None:
    for name, trusted, said in (("wary", False, "refused"), ("trusting", True, "ada")):
        port = find_port()
        api = sites.start("starlette", trusted=[f"http://localhost:{port}"] if trusted else [])
        front = start_vite(sites, tmp_path / name, api, port, "changeOrigin: true, ")
        tab = await log_in(context, front)

        assert await tab.page.evaluate(SAY) == said
        await context.clear_cookies()
