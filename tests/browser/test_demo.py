"""The demo in real browsers, on a real server process: what a visitor is promised there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from playwright.async_api import Browser, BrowserContext, Page, expect

from tests.conftest import StartServer
from tests.server import Server, run_server

from .webkit import WebKitContext

# Its own script in both, once; the client has its own tests in each.
both = pytest.mark.engines("chromium", "firefox")

PASSWORD = "a long enough password"
TOKEN = re.compile(r"sj1-[0-9a-f]{32}-[0-9a-f]{64}")


def demo(folder: Path, *options: str) -> list[str]:
    program = str(Path(sys.executable).with_name("sojourn"))
    files = ["--store", f"sqlite:///{folder}/sessions.sqlite3", "--users", f"{folder}/users.sqlite3"]
    return [program, "demo", "--port", "{port}", *files, *options]


@pytest.fixture(scope="module")
def servers() -> dict[str, Server]:
    """A demo for each engine, whose accounts are its own."""
    return {}


@pytest.fixture
def server(
    engine: str,
    servers: dict[str, Server],
    start_server: StartServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Server:
    if engine not in servers:
        servers[engine] = start_server(demo(tmp_path_factory.mktemp("demo")), path="/session")
    return servers[engine]


@pytest.fixture
async def page(context: BrowserContext, server: Server) -> Page:
    return await open_demo(context, server)


async def open_demo(context: BrowserContext, server: Server, query: str = "") -> Page:
    page = await context.new_page()
    # The policy that the page is served with forbids inline scripts and foreign sources: nothing may offend it.
    page.on("pageerror", lambda error: pytest.fail(f"The page threw: {error}"))
    await page.goto(server.url + "/" + query)
    await expect(page.locator("body")).to_have_attribute("data-status", re.compile("none|active|known|ended"))
    return page


async def enter(page: Page, name: str, purpose: str = "sign-up", password: str = PASSWORD) -> None:
    await page.locator(f"[name=purpose][value={purpose}]").check(force=True)
    await page.fill("[name=name]", name)
    await page.fill("[name=password]", password)
    await page.click("#account-form [type=submit]")


async def sign_up(page: Page, name: str) -> None:
    await enter(page, name)
    await expect(page.locator("#account-name")).to_have_text(f"You are {name}.")


def ended(page: Page, reason: str) -> str:
    return f"#notice[data-reason={reason}]:not([hidden])"


async def test_a_strangers_bag_and_colours_come_along_at_sign_up_and_stay_after_a_reload(page: Page) -> None:
    await page.click(".thing:has-text('Lantern')")
    await expect(page.locator("#bag-count")).to_have_text("1")
    await page.click("#stamp-more")
    await page.locator("[name=theme][value=dark]").check(force=True)
    await page.fill("#greet", "<b>Ada</b>")
    await expect(page.locator("#greeting")).to_contain_text("<b>Ada</b>")
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await sign_up(page, "ada")

    await page.reload()

    await expect(page.locator("#presence")).to_have_text("Signed in as ada")
    await expect(page.locator("#things")).to_contain_text("Lantern")
    await expect(page.locator("#stamps")).to_have_text("1")
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await expect(page.locator("#greeting")).to_contain_text("<b>Ada</b>")
    await page.click("#things .remove")
    await expect(page.locator("#bag-count")).to_have_text("")


async def test_a_wrong_password_is_a_calm_message_and_the_right_one_signs_in(page: Page) -> None:
    await sign_up(page, "bea")
    await page.click("#log-out")
    await page.wait_for_selector(ended(page, "logout"))

    await enter(page, "bea", "sign-in", "not this one")
    await expect(page.locator("#account-message")).to_contain_text("do not go together")
    await enter(page, "bea", "sign-in")

    await expect(page.locator("#presence")).to_have_text("Signed in as bea")
    await expect(page.locator("#notice")).to_be_hidden()


async def test_two_tabs_are_in_step(context: BrowserContext, page: Page, server: Server) -> None:
    other = await open_demo(context, server)

    await sign_up(page, "cleo")
    await expect(other.locator("#presence")).to_have_text("Signed in as cleo")
    await other.click(".thing:has-text('Compass')")
    await expect(page.locator("#things")).to_contain_text("Compass")
    await other.click("#log-out")

    await page.wait_for_selector(ended(page, "logout"))
    await expect(page.locator("#account-form")).to_be_visible()


async def test_fifty_parallel_requests_lose_nothing_where_the_last_write_loses_much(page: Page) -> None:
    await page.click("#run-parallel")
    kept = page.locator("#parallel-result .score b")

    await expect(kept).to_have_count(5)
    scores = await kept.all_inner_texts()
    assert scores[:3] == ["50 of 50"] * 3
    assert int(scores[3].split()[0]) < 25
    await expect(page.locator("#record")).not_to_contain_text("race_")


async def test_a_slow_request_does_not_bring_a_logged_out_session_back(page: Page) -> None:
    await sign_up(page, "dora")
    await page.click("#run-final")

    steps = page.locator("#final-result li")
    await expect(steps).to_have_count(4)
    await expect(steps.nth(2)).to_contain_text("401 session-ended, logout")
    await expect(steps.nth(3)).to_contain_text("ended, logout, no data")
    await expect(page.locator("#presence")).to_have_text("Signed in as dora")


async def test_a_session_is_ended_from_another_browser(browser: Browser, page: Page, server: Server) -> None:
    await sign_up(page, "emil")
    elsewhere = await browser.new_context()
    other = await open_demo(elsewhere, server)
    await enter(other, "emil", "sign-in")
    await expect(other.locator("#device-list li")).to_have_count(2)

    await other.click("#device-list li[data-current=false] button")

    await expect(other.locator("#device-list li")).to_have_count(1)
    await page.wait_for_selector(ended(page, "revoked"))
    await expect(other.locator("#presence")).to_have_text("Signed in as emil")
    await elsewhere.close()


async def test_the_inside_panel_shows_the_record_and_never_the_token(context: BrowserContext, page: Page) -> None:
    await sign_up(page, "fay")
    await expect(page.locator("#record [data-name=user_id] td")).to_have_text("fay")
    await expect(page.locator("#traffic")).to_contain_text("POST /demo/sign-up")

    answer = await (await page.request.get(page.url + "demo/inspector")).text()

    assert not TOKEN.search(answer)
    assert not TOKEN.search(await page.content())
    [cookie] = [cookie for cookie in await context.cookies() if cookie["name"] == "__Host-session"]
    assert cookie["httpOnly"]
    assert cookie["secure"]
    assert cookie["value"].rsplit("-", 1)[1] not in answer


@both
async def test_an_idle_session_is_warned_of_kept_on_request_and_then_says_why_it_ended(
    start_server: StartServer, context: BrowserContext, tmp_path: Path
) -> None:
    server = start_server(demo(tmp_path, "--idle", "4s"), path="/session")
    page = await open_demo(context, server, "?warn=3")
    dialog = page.get_by_role("alertdialog")
    # The button is pressed by the page, which is there in time, whatever else the machine is at.
    script = """() => {
        window.dialogs = [];
        const show = HTMLDialogElement.prototype.showModal;
        HTMLDialogElement.prototype.showModal = function () {
            show.call(this);
            if (dialogs.push(this.checkVisibility() && "shown") === 1) document.getElementById("warning-stay").click();
        };
        document.getElementById("warning").addEventListener("close", () => dialogs.push("closed"));
    }"""
    await page.evaluate(script)
    await sign_up(page, "gus")

    await page.wait_for_selector(ended(page, "idle_timeout"))
    assert await page.evaluate("() => dialogs") == ["shown", "closed", "shown", "closed"]
    await expect(page.locator("#notice")).to_contain_text("After 4 seconds without activity")
    await expect(dialog).to_be_hidden()
    await expect(page.locator("[name=name]")).to_have_value("gus")


async def test_local_storage_and_xhr_do_the_same_without_a_cookie(context: BrowserContext, server: Server) -> None:
    query = "?storage=local&transport=xhr"
    page, other = await open_demo(context, server, query), await open_demo(context, server, query)

    await sign_up(page, "hana")
    await expect(other.locator("#presence")).to_have_text("Signed in as hana")
    await page.click(".thing:has-text('Tea')")
    await expect(other.locator("#things")).to_contain_text("Tea")
    await page.reload()
    await expect(page.locator("#presence")).to_have_text("Signed in as hana")

    assert not await context.cookies()
    await expect(page.locator("#readable")).to_contain_text("all of it")
    await page.click("#log-out")
    await other.wait_for_selector(ended(other, "logout"))
    assert not TOKEN.search(await page.evaluate("JSON.stringify({...localStorage})"))


async def test_sessions_survive_a_restart(context: BrowserContext, tmp_path: Path) -> None:
    command = demo(tmp_path)
    with run_server(command, tmp_path / "first.log", path="/session") as server:
        page = await open_demo(context, server)
        await sign_up(page, "iris")
        await page.click(".thing:has-text('Book')")
        await expect(page.locator("#bag-count")).to_have_text("1")
    server.wait_to_print(f"Sojourn demo: http://127.0.0.1:{server.port}")
    assert "Traceback" not in server.output()

    # A cookie knows no ports.
    with run_server(command, tmp_path / "second.log", path="/session") as server:
        page = await open_demo(context, server)
        await expect(page.locator("#presence")).to_have_text("Signed in as iris")
        await expect(page.locator("#things")).to_contain_text("Book")


@pytest.mark.engines("webkit")
async def test_a_browser_that_keeps_no_secure_cookie_over_http_is_told_what_to_do(
    context: WebKitContext, server: Server, start_server: StartServer, tmp_path: Path
) -> None:
    server.wait_to_print("for Safari, start it with --insecure-cookies.")
    page = await context.new_page()
    await page.goto(server.url)
    await page.wait_for_function("() => document.body.dataset.status === 'none'")
    said = await page.evaluate("() => document.getElementById('no-cookie').innerText")
    assert "start the demo with --insecure-cookies" in said

    willing = start_server(demo(tmp_path, "--insecure-cookies"), path="/session")
    page = await context.new_page()
    await page.goto(willing.url)
    await page.wait_for_function("() => document.body.dataset.status === 'none'")
    await page.evaluate("() => document.querySelector('.thing').click()")
    await page.wait_for_function("() => document.body.dataset.status === 'active'")
    assert await page.evaluate("() => document.getElementById('no-cookie').hidden")


def test_a_taken_port_is_told_in_a_line(server: Server, tmp_path: Path) -> None:
    command = [word.replace("{port}", str(server.port)) for word in demo(tmp_path)]

    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)

    assert done.returncode == 2
    assert f"Port {server.port} is taken" in done.stderr
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


async def test_the_headline_says_what_it_is_and_the_documentation_is_one_click_away(page: Page) -> None:
    await expect(page.get_by_role("heading", level=1)).to_contain_text(
        "Sojourn is the session layer for web applications"
    )
    await page.get_by_role("link", name="what it does and how to use it").click()
    await expect(page.locator("body")).to_contain_text("pip install")


async def test_choose_30_s_is_a_button_that_does_so(page: Page) -> None:
    await page.get_by_role("button", name="Choose 30 s").click()
    await expect(page.locator("[name=timeout][value='30']")).to_be_checked()
    await expect(page.locator("#left")).to_have_text(re.compile("0:(30|2\\d)"))


async def test_on_a_phone_the_record_follows_the_bag_and_can_be_scrolled_by_keyboard(page: Page) -> None:
    await page.set_viewport_size({"width": 390, "height": 800})
    order = "() => ['bag', 'inspector', 'devices'].map((id) => document.getElementById(id).getBoundingClientRect().top)"
    tops = await page.evaluate(order)
    assert tops == sorted(tops)
    await page.locator("#record").focus()
    await expect(page.locator("#record")).to_be_focused()


async def test_the_warning_tells_how_long_is_left_before_it_opens(
    start_server: StartServer, context: BrowserContext, tmp_path: Path
) -> None:
    server = start_server(demo(tmp_path, "--idle", "12s"), path="/session")
    page = await open_demo(context, server, "?warn=11")
    script = """() => { window.told = new Promise((done) => {
        const show = HTMLDialogElement.prototype.showModal;
        HTMLDialogElement.prototype.showModal = function () {
            done(document.getElementById(this.getAttribute("aria-describedby")).textContent);
            show.call(this);
        };
    }); }"""
    await page.evaluate(script)
    await sign_up(page, "hal")
    assert re.match(r"[1-9]\d? seconds left\. ", await page.evaluate("() => told"))


async def stolen(page: Page, button: str) -> tuple[list[str], str]:
    """The line that the page shows, as words for a shell, and what the page says of its answer."""
    await page.click(f"#{button}")
    line = await page.locator(f"#{button}-result .line").inner_text()
    words = shlex.split(line)
    assert (words[0], words[1]) == ("curl", "-i")
    return words, await page.locator(f"#{button}-result .steps").inner_text()


async def test_a_stolen_token_opens_nothing_where_it_is_bound_and_all_where_it_is_not(page: Page) -> None:
    words, said = await stolen(page, "steal-bound")
    answered = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout

    assert answered.startswith("HTTP/1.1 401")
    assert "urn:sojourn:problem:proof-required" in answered
    assert "Refused, proof-required." in said
    assert "Its owner, in this page, goes on" in said
    words, said = await stolen(page, "steal-free")
    answered = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60).stdout
    assert answered.startswith("HTTP/1.1 200")
    assert '"name":"its owner"' in answered
    assert "It opens" in said


@both
async def test_a_session_in_local_storage_is_bound_by_each_name_of_this_machine(
    context: BrowserContext, server: Server
) -> None:
    for host in ("127.0.0.1", "localhost"):
        page = await context.new_page()
        await page.goto(f"http://{host}:{server.port}/?storage=local")
        await sign_up(page, f"jo-{host.partition('.')[0]}")
        await expect(page.locator("#presence")).to_contain_text("Signed in as")
        await expect(page.locator("#device-list")).to_contain_text("bound to its browser's key")
        [token] = TOKEN.findall(await page.evaluate("JSON.stringify({...localStorage})"))
        answer = await page.request.get(
            f"http://{host}:{server.port}/session/", headers={"Authorization": f"Bearer {token}"}
        )
        assert answer.status == 401


async def test_by_a_name_that_the_demo_does_not_know_it_works_and_binds_nothing(
    context: BrowserContext, server: Server
) -> None:
    page = await context.new_page()
    await page.goto(f"http://demo.localhost:{server.port}/?storage=local")
    await sign_up(page, "kim")

    await expect(page.locator("#presence")).to_have_text("Signed in as kim")
    await expect(page.locator("#steal-bound")).to_be_disabled()
    await expect(page.locator("#steal-bound-result")).to_contain_text("take the one that the demo printed")
