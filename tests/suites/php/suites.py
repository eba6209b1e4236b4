"""Suites for PHP: the tests of PHP's own session extension, over `SessionHandler`.

A test of theirs is a page and what it prints. Each is served by PHP's own server, first with PHP's sessions: what does
not print there what it should (it is for the command line, say) is left out, as are tests of handlers of their own.
"""

from __future__ import annotations

import http.client
import re
import shutil
import subprocess
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from adapters.tests.session_service import SessionService
from tests.servers.port import find_port
from tests.servers.process import Process
from tests.servers.waiting import wait_until
from tests.suites.sources import copy_of
from tests.suites.suite import Outcome, Suite

__all__ = ["SUITES"]

HERE = Path(__file__).parent
_SECTION = re.compile(r"^--([A-Z_]+)--[ \t]*\n", re.MULTILINE)
_OWN_HANDLER = re.compile(r"session_set_save_handler|session_module_name|extends SessionHandler")
# What PHP's tests may leave open in what they expect.
_OPEN = {
    "%e": "/",
    "%s": "[^\n]+",
    "%S": "[^\n]*",
    "%a": "[^\0]+",
    "%A": "[^\0]*",
    "%w": r"\s*",
    "%i": r"[+-]?\d+",
    "%d": r"\d+",
    "%x": "[0-9a-fA-F]+",
    "%c": ".",
}
_ONLY_OURS = ("use_cookies", "use_only_cookies", "use_trans_sid", "use_strict_mode", "serialize_handler")


@dataclass(frozen=True)
class Page:
    """One of PHP's tests."""

    name: str
    sections: Mapping[str, str]
    folder: Path

    @classmethod
    def read(cls, file: Path) -> Page:
        words = _SECTION.split(file.read_bytes().decode("latin-1").replace("\r\n", "\n"))[1:]
        return cls(file.stem, dict(zip(words[::2], words[1::2], strict=True)), file.parent)

    def expects(self, printed: str) -> bool:
        for kind in ("EXPECT", "EXPECTF"):
            if kind in self.sections:
                wanted = re.escape(self.sections[kind].strip())
                if kind == "EXPECTF":
                    wanted = re.sub("%[a-zA-Z]", lambda place: _OPEN.get(place[0], place[0]), wanted)
                return re.fullmatch(wanted, printed) is not None
        return False

    def settings(self, ours: bool) -> list[str]:
        given = ["display_errors=1", "html_errors=0", "error_reporting=-1", "error_log=/dev/null", "precision=14"]
        given += ["serialize_precision=-1", "session.save_path=.", "output_buffering=1048576", "date.timezone=UTC"]
        given += [line.strip() for line in self.sections.get("INI", "").splitlines() if "=" in line]
        if ours:
            names = tuple(f"session.{name}" for name in _ONLY_OURS)
            given = [line for line in given if not line.startswith(names)]
            given.append(f"auto_prepend_file={HERE / 'prepend.php'}")
        return [word for line in given for word in ("-d", line)]

    def is_skipped(self, folder: Path) -> bool:
        (folder / "skip.php").write_text(self.sections.get("SKIPIF", ""), "latin-1")
        words = ["php", *self.settings(ours=False), "skip.php"]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False, timeout=60)
        return done.stdout.lower().startswith("skip")

    def print(self, folder: Path, environment: Mapping[str, str] | None) -> str | None:
        """What the page comes to, in a folder of its own; with ours in `environment`. None: it is skipped."""
        folder.mkdir(parents=True)
        for file in self.folder.glob("*.inc"):
            shutil.copy(file, folder)
        (folder / f"{self.name}.php").write_text(self.sections["FILE"], "latin-1")
        if self.is_skipped(folder):
            return None
        port = find_port()
        given = [f"{name}={value}" for name, value in (environment or {}).items()]
        words = ["env", *given, "php", *self.settings(environment is not None), "-S", f"127.0.0.1:{port}", "-t", "."]
        with Process(words, folder, folder / "server.log"):
            wait_until(lambda: self.ask(port, "/none.php") is not None, "PHP's own server")
            return self.ask(port, f"/{self.name}.php?{self.sections.get('GET', '').strip()}")

    def ask(self, port: int, path: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        cookie = {"Cookie": self.sections["COOKIE"].strip()} if "COOKIE" in self.sections else {}
        kind, _, body = self.sections.get("POST_RAW", "").partition("\n")
        if "POST" in self.sections:
            kind, body = "Content-Type: application/x-www-form-urlencoded", self.sections["POST"]
        sent = {"Content-Type": kind.partition(":")[2].strip()} if kind else {}
        try:
            connection.request("POST" if kind else "GET", path, body.strip() or None, {**cookie, **sent})
            return connection.getresponse().read().decode("latin-1").replace("\r\n", "\n").strip()
        finally:
            connection.close()


def php_session(folder: Path) -> Outcome:
    copy_of("php/php-src", "php-8.2.32", folder / "tests", part="ext/session/tests")
    pages = [Page.read(file) for file in sorted((folder / "tests").glob("*.phpt"))]
    with SessionService(folder / "service") as service, ThreadPoolExecutor(3) as pool:
        environment = {"SOJOURN_SERVICE": service.url, "SOJOURN_KEY": service.key}

        def run(page: Page) -> str | None:
            """What it prints with our sessions, if it is as it should be with PHP's."""
            if "FILE" not in page.sections or _OWN_HANDLER.search(page.sections["FILE"]):
                return None
            before = page.print(folder / "before" / page.name, None)
            if before is None or not page.expects(before):
                return None
            return page.print(folder / "ours" / page.name, environment)

        found = [
            (page, printed) for page, printed in zip(pages, pool.map(run, pages), strict=True) if printed is not None
        ]
    passed = {page.name for page, printed in found if page.expects(printed)}
    failed = {page.name: " ".join(printed.split())[-200:] for page, printed in found if page.name not in passed}
    return Outcome(frozenset(passed), failed)


SUITES = [Suite("php-session", php_session)]
