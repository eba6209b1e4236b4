"""The blocks of the pages that are the client's: each runs alone, as pasted into a page's script."""

from __future__ import annotations

import pytest
from playwright.async_api import Page

from tests.test_docs import PAGES, ROOT, Block, blocks

from .stage import Stage

FOUND = [block for page in PAGES for block in blocks(page, "js") if '"/session/' in block.code]
# What the pages say that there is in HTML.
MARKUP = "<dialog><p></p><button>Stay</button></dialog><p role=status></p>"
RUN = """(code) => {
	const script = document.createElement("script");
	script.type = "module";
	script.textContent = `${code}\\nwindow.finished = true;`;
	document.body.append(script);
}"""


def name_of(block: Block) -> str:
    return f"{block.page.relative_to(ROOT)}:{block.line}"


@pytest.mark.parametrize("block", FOUND, ids=name_of)
async def test_a_block_of_a_page_runs_as_pasted(block: Block, page: Page, stage: Stage) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    await page.goto(f"{stage.url}/blank")
    if "session.list()" in block.code:  # one's devices: of somebody who is logged in
        assert await page.evaluate("async () => (await fetch('/login', {method: 'POST'})).ok")
    await page.evaluate("(markup) => document.body.insertAdjacentHTML('beforeend', markup)", MARKUP)
    await page.evaluate(RUN, block.code)
    await page.wait_for_function("() => window.finished")

    assert errors == []


def test_they_are_found() -> None:
    assert len(FOUND) >= 10
