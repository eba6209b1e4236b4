"""SessionService: `sojourn serve`, for back ends in any language."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.servers.port import find_port
from tests.servers.process import Process, Running
from tests.servers.session_file import make_older
from tests.servers.waiting import wait_until
from tests.service.backend import make_key

__all__ = ["SessionService"]

LIMITED = Path(__file__).with_name("limited_service.py")
CLOCKED = Path(__file__).parents[2] / "tests" / "service" / "clocked_service.py"


class SessionService(Running):
    """`sojourn serve`, on one port for good: it may be killed, paused and started again. On SQLite, or on `store`.

    On another one's `store` it is an instance beside that, with the same API keys.
    `limited`: limited_service.py in its place, with two workers. `clock`: tests/service/clocked_service.py, which is
    ahead by the milliseconds in this file.
    """

    def __init__(
        self,
        folder: Path,
        policy: Mapping[str, object] | None = None,
        *,
        unix: bool = False,
        store: str | SessionService | None = None,
        cookie: Mapping[str, object] | None = None,
        browser: Mapping[str, object] | None = None,
        limited: bool = False,
        clock: Path | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = find_port()
        self.url = f"unix:{folder}/service.sock" if unix else f"http://127.0.0.1:{self.port}"
        beside = store if isinstance(store, SessionService) else None
        self.keys: Path = beside.keys if beside else folder / "keys.json"
        self.key: str = beside.key if beside else make_key(self.keys, "sessions")
        config = folder / "sojourn.toml"
        self._file: Path = beside._file if beside else folder / "sessions.sqlite3"
        url = store if isinstance(store, str) else f"sqlite:///{self._file}"
        settings = {"store": url, "keys": str(self.keys), "policy": policy or {}, "cookie": cookie or {}}
        settings |= {} if browser is None else {"browser": browser}
        config.write_text("".join(f"{name} = {_toml(value)}\n" for name, value in settings.items()))
        where = ["--uds", f"{folder}/service.sock"] if unix else ["--port", str(self.port)]
        words = ["-m", "sojourn", "serve", "--config", str(config), *where, "--log-level", "debug"]
        if limited:
            words = [str(LIMITED), str(config), str(self.port)]
        if clock is not None:
            words = [str(CLOCKED), str(config), str(self.port), str(clock)]
        self.process = Process([sys.executable, *words], folder, folder / "service.log")
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        def is_ready() -> bool:
            self.process.require_running()
            if self.url.startswith("unix:"):
                with socket.socket(socket.AF_UNIX) as connection:
                    connection.connect(self.url.removeprefix("unix:"))
                return True
            with socket.create_connection(("127.0.0.1", self.port), 1):
                return True

        wait_until(is_ready, "the session service")

    def pass_seconds(self, seconds: float) -> None:
        """On SQLite: all sessions were seen so much longer ago, and nobody has to wait."""
        make_older(self._file, seconds)

    def stop(self) -> None:
        self.process.stop()


def _toml(value: object) -> str:
    if not isinstance(value, Mapping):
        return json.dumps(value)
    return f"{{ {', '.join(f'{name} = {_toml(each)}' for name, each in value.items())} }}"
