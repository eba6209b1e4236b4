"""Adapters for React, Vue and Svelte: the packed package, built by Vite, rendered by Node, hydrated in browsers."""

from __future__ import annotations

import fcntl
import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import BrowserContext, Page, expect
from starlette.responses import HTMLResponse

from .npm import CLIENT, NODE, PACKAGES, make_project, pack_client, run
from .stage import Stage, serve

HERE = Path(__file__).parent / "frontends"
PLUGINS = {
    "react": "",
    "vue": "",
    "svelte": 'import {svelte} from "@sveltejs/vite-plugin-svelte";\nplugins.push(svelte());',
}
CONFIG = """
const plugins = [];
{plugin}
export default {{
	base: "/front/",
	plugins,
	logLevel: "error",
	// Messages of development builds tell of mismatches that production builds mend in silence.
	define: {{
		"process.env.NODE_ENV": JSON.stringify("{mode}"),
		__VUE_PROD_HYDRATION_MISMATCH_DETAILS__: true,
		__VUE_OPTIONS_API__: true,
		__VUE_PROD_DEVTOOLS__: false,
	}},
	build: {{
		minify: false,
		rollupOptions: {{input: "app.js", output: {{entryFileNames: "app.js"}}, preserveEntrySignatures: "strict"}},
	}},
}};
"""
HTML = """<!doctype html>
<html lang="en"><title>Front end</title><link rel="icon" href="data:,">
<div id="root">{rendered}</div>
<script type="module" src="/front/app.js"></script>
"""


@pytest.fixture(params=PLUGINS)
async def front(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    """A stage whose page /front.html is a front end that Node has rendered, its script built by Vite."""
    # The test runner's workers have a folder of this run in common, and build each front end once.
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if hasattr(request.config, "workerinput") else base
    with (shared / f"{request.param}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = shared / f"front-{request.param}"
        if not (folder / "rendered.html").exists():
            shutil.rmtree(folder, ignore_errors=True)
            build_front(request.param, folder)
    stage = Stage(static=folder / "dist")
    async with serve(stage) as stage.url:
        rendered = (folder / "rendered.html").read_text()
        stage.answer("GET /front.html", HTMLResponse(HTML.format(rendered=rendered)))
        yield stage


def build_front(framework: str, folder: Path) -> None:
    files = {file.name: file.read_text() for file in (HERE / framework).iterdir()}
    files["session.js"] = (HERE / "session.js").read_text()
    files["vite.config.js"] = CONFIG.format(plugin=PLUGINS[framework], mode="development")
    make_project(folder, files)
    vite = [NODE, str(PACKAGES / "vite/bin/vite.js"), "build"]
    run(folder, *vite, "--outDir", "dist")
    run(folder, *vite, "--ssr", "app.js", "--outDir", "dist-server")
    script = 'import {render} from "./dist-server/app.js"; console.log(await render());'
    rendered = run(folder, NODE, "--input-type=module", "--eval", script)
    assert "Hello stranger" in rendered.replace("<!-- -->", "")
    (folder / "rendered.html").write_text(rendered.strip())


async def open_front(context: BrowserContext, stage: Stage, said: list[str]) -> Page:
    page = await context.new_page()
    page.on("pageerror", lambda error: said.append(str(error)))
    page.on("console", lambda told: said.append(told.text) if told.type in ("error", "warning") else None)
    await page.goto(f"{stage.url}/front.html")
    return page


async def test_a_rendered_page_hydrates_in_silence_and_follows_the_session(
    context: BrowserContext, front: Stage
) -> None:
    said: list[str] = []
    assert (await context.request.post(f"{front.url}/login")).ok
    page, other = await open_front(context, front, said), await open_front(context, front, said)
    for tab in (page, other):
        await expect(tab.locator("#greeting")).to_have_text("Hello ada")
        assert await tab.evaluate("() => seen.errors") == []
    await other.evaluate("() => session.logout()")
    await expect(page.locator("#greeting")).to_have_text("Hello stranger")
    assert said == []


@pytest.mark.engines("chromium", "firefox")
@pytest.mark.parametrize("front", ["react"], indirect=True)
async def test_react_shows_no_two_states_at_once_and_renders_what_changed(
    context: BrowserContext, front: Stage
) -> None:
    said: list[str] = []
    page = await open_front(context, front, said)
    await page.evaluate("() => session.start({n: 0})")
    await expect(page.locator("ul")).to_have_attribute("data-status", "active")
    renders = await page.evaluate("() => seen.renders")
    for number in range(1, 4):
        await page.evaluate("(n) => { renderAgain(); return session.set({n}); }", number)
        await expect(page.locator("li")).to_have_text([str(number)] * 8)
    assert await page.evaluate("() => [seen.torn, seen.renders]") == [0, renders]
    assert said == []


# The package


def test_what_is_packed_of_a_fresh_checkout_is_built() -> None:
    package = pack_client()
    exports = json.loads((package / "package.json").read_text())["exports"]

    assert sorted(exports) == [".", "./bound", "./live", "./react", "./step-up", "./svelte", "./vue"]
    for paths in exports.values():
        for path in paths.values():
            assert (package / path).exists(), path
    assert not (package / "src").exists()


USER = """
import {createSessionClient, isSessionError, type SessionErrorCode} from "sojourn-client";
import {createUseSession as forReact} from "sojourn-client/react";
import {createUseSession as forSvelte} from "sojourn-client/svelte";
import {createUseSession as forVue} from "sojourn-client/vue";

interface Data {
	theme: "dark" | "light";
}
const session = createSessionClient<Data>({url: "/session"});
const useSession = forReact(session);
export const name: string | null = useSession((state) => state.userId);
export const theme: "dark" | "light" | undefined = useSession().data.theme;
export const ref: string | null = forVue(session)((state) => state.userId).value;
forSvelte(session)().subscribe((state) => state.expiring);
// @ts-expect-error: no such key
useSession((state) => state.user);

export async function touch(): Promise<SessionErrorCode | null> {
	try {
		await session.touch();
		return null;
	} catch (error) {
		if (!isSessionError(error)) throw error;
		// @ts-expect-error: no such code
		if (error.code === "no-such-code") return null;
		return error.code === "session-ended" ? error.code : "network";
	}
}
"""


@pytest.mark.parametrize(("module", "resolution"), [("ESNext", "Bundler"), ("NodeNext", "NodeNext")])
def test_its_types_are_found_and_hold(module: str, resolution: str, tmp_path: Path) -> None:
    options = {
        "module": module,
        "moduleResolution": resolution,
        "target": "ES2022",
        "lib": ["ES2022", "DOM", "DOM.Iterable"],
        "types": [],
        "strict": True,
        "exactOptionalPropertyTypes": True,
        "noEmit": True,
    }
    config = json.dumps({"compilerOptions": options, "files": ["user.ts"]})
    folder = make_project(tmp_path / "project", {"user.ts": USER, "tsconfig.json": config})

    assert run(folder, NODE, str(CLIENT / "node_modules/typescript/bin/tsc")) == ""
