"""Site: one of the applications in apps/ on its server, with the store, clock and gates that the test holds."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any

from tests.http.browser import Answer, Browser
from tests.http.kinds import Kind
from tests.server import Server, run_server
from tests.servers.waiting import wait_until

__all__ = ["Site", "Slow", "serve"]

ROOT = Path(__file__).parents[2]


class Site:
    """A running site of one kind, its folder and its server."""

    def __init__(self, kind: Kind, folder: Path, server: Server) -> None:
        self.kind, self.folder, self.server = kind, folder, server
        self._browsers: list[Browser] = []
        self._gates = count()

    def browser(self, **headers: str) -> Browser:
        """A new one, closed after the test."""
        self._browsers.append(Browser(self.server.port, Host=f"localhost:{self.server.port}", **headers))
        return self._browsers[-1]

    def close_browsers(self) -> None:
        while self._browsers:
            self._browsers.pop().close()

    @property
    def origin(self) -> str:
        return self.server.url

    def now(self) -> int:
        """The time that its processes have, in Unix seconds."""
        return int(time.time() + int((self.folder / "clock").read_text()) / 1000)

    def pass_seconds(self, seconds: float) -> None:
        """Move the clock of every process on."""
        now = int((self.folder / "clock").read_text())
        draft = self.folder / "clock.draft"
        draft.write_text(str(now + int(seconds * 1000)))
        draft.replace(self.folder / "clock")

    def rows(self) -> int:
        """How many sessions the file holds, in any state."""
        with sqlite3.connect(self.folder / "sessions.sqlite3") as connection:
            (rows,) = connection.execute("SELECT count(*) FROM session").fetchone()
        connection.close()
        return int(rows)

    @contextmanager
    def slow(self, browser: Browser, action: str, body: Any = None) -> Iterator[Slow]:
        """A request whose handler has its session open and waits, until `finish` or the end of the block."""
        gate = f"gate{next(self._gates)}"
        with ThreadPoolExecutor(1) as pool:
            twin = browser.other()
            future = pool.submit(twin.post, f"/slow/{action}/{gate}", body)
            slow = Slow(twin, self.folder / f"{gate}.go", future)
            try:
                wait_until(lambda: (self.folder / f"{gate}.reached").exists() or future.done(), "a slow request")
                yield slow
            finally:
                slow.let_go()
                with suppress(OSError):
                    future.result(30)


class Slow:
    """A request on its way; `browser` is the one that sent it."""

    def __init__(self, browser: Browser, go: Path, future: Future[Answer]) -> None:
        self.browser = browser
        self._go, self._future = go, future

    def let_go(self) -> None:
        self._go.touch()

    def finish(self) -> Answer:
        """Let it go on; what it was answered."""
        self.let_go()
        return self._future.result(30)


@contextmanager
def serve(
    kind: Kind,
    folder: Path,
    store: str,
    *,
    processes: bool,
    bearer: bool = False,
    binding: str = "",
    used_before: bool = False,
    root_path: str = "",
) -> Iterator[Site]:
    """The site of this kind, once it answers. `used_before`: its store is asked while the application is loaded.

    `root_path` is what the application itself says that a proxy strips.
    """
    (folder / "clock").write_text("0")
    paths = [str(ROOT), str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    env = {
        "SITE_FOLDER": str(folder),
        "SITE_STORE": store,
        "SITE_BEARER": "1" if bearer else "",
        "SITE_BINDING": binding,
        "SITE_ROOT_PATH": root_path,
        "SITE_USED_BEFORE": "1" if used_before else "",
        "PYTHONPATH": os.pathsep.join(paths),
    }
    command = kind.command(processes=processes)
    with run_server(command, folder / "output.log", path="/public", env=env) as server:
        site = Site(kind, folder, server)
        try:
            yield site
        finally:
            site.close_browsers()
