"""`sojourn admin`: a real process, whose link signs in once and whose key as long as it runs."""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

import pytest

from sojourn import ConfigurationError
from sojourn.cli.program import program
from tests.server import run_server

from .conftest import Sessions
from .program import COMMAND

FORM = {"content-type": "application/x-www-form-urlencoded", "sec-fetch-site": "same-origin"}


@dataclass
class Shown:
    """What the program printed."""

    port: int
    link: str
    key: str

    def ask(self, method: str, path: str, cookie: str = "", host: str = "", **fields: str) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("localhost", self.port, timeout=20)
        headers = {**FORM, "host": host or f"localhost:{self.port}", **({"cookie": cookie} if cookie else {})}
        connection.request(method, path, urlencode(fields) if fields else None, headers)
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer


@pytest.fixture
def shown(sessions: Sessions, tmp_path: Path) -> Iterator[Shown]:
    sessions.make("ada")
    command = [*COMMAND, "admin", "--store", sessions.url, "--port", "{port}"]
    with run_server(command, tmp_path / "admin.log", path="/admin/static/mark.svg") as server:
        # Printed before it answers.
        found = re.search(r"(http://\S+\?code=\S+)\n.*(sjk1-\S+)\n", server.output())
        assert found
        yield Shown(server.port, found[1], found[2])


def test_the_link_signs_in_once_the_key_again_and_no_foreign_name_gets_an_answer(shown: Shown) -> None:
    code = urlsplit(shown.link).query.removeprefix("code=")
    seen = [shown.ask("GET", f"/admin/sign-in?code={code}").status for _ in range(2)]
    first, second = (shown.ask("POST", "/admin/sign-in", code=code) for _ in range(2))
    again = shown.ask("POST", "/admin/sign-in", key=shown.key)
    cookie = first.headers["set-cookie"].partition(";")[0]

    # Who only looks, as a chat's preview of links does, does not use it up.
    assert seen == [200, 200]
    assert (first.status, second.status, again.status) == (303, 401, 303)
    assert shown.ask("GET", "/admin/sessions?user=ada", cookie).status == 200
    assert shown.ask("GET", "/admin", cookie, host="evil.example").status == 421
    assert shown.ask("GET", "/").headers["location"] == "/admin"
    assert shown.ask("GET", "/admin").status == 303


def test_without_a_store_there_is_no_page(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="There is no session file"):
        program.main(["admin", "--store", f"sqlite:///{tmp_path}/none.db"], standalone_mode=False)
