"""docs/service.md says what the service does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sojourn.core.codec import MAX_DEPTH, MAX_INTEGER
from sojourn.service.bounded_protocol import MAX_HEAD, REQUEST_WITHIN
from sojourn.service.openapi import openapi
from sojourn.service.replay import client_of
from sojourn.service.server import KEEP_ALIVE, STORE_WITHIN
from sojourn.service.service_endpoints import REQUEST_LIFETIME_MS
from sojourn.service.settings import EXAMPLE
from sojourn.wire.batches import MAX_BATCH_BYTES, MAX_CALLS
from sojourn.wire.http import LINES
from sojourn.wire.requests import ClientFacts
from tests.service.backend import Backend

PAGE = (Path(__file__).parents[2] / "docs" / "service.md").read_text("utf-8")
EXCHANGES = re.findall(r"^```http\n(.*?)^```\n\n```json\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def shape(value: Any) -> Any:
    """The keys and kinds of a JSON value."""
    if isinstance(value, dict):
        return {key: shape(member) for key, member in value.items()}
    return [shape(member) for member in value] if isinstance(value, list) else type(value)


@pytest.mark.parametrize("exchange", EXCHANGES, ids=["open", "commit"])
def test_an_example_is_answered_as_shown(backend: Backend, exchange: tuple[str, str]) -> None:
    token = backend.log_in("ada", cart=["tea"], **({"flash": "hello"} if "commit" in exchange[0] else {}))
    now = backend.open(token)["now"]
    head, body = exchange[0].replace("TOKEN", token).replace("NOW", str(now)).split("\n\n", 1)
    method, path = head.splitlines()[0].split()

    answer = backend.request(method, path, json.loads(body))
    shown = json.loads(exchange[1])

    assert answer.status == 200
    assert shape(answer.json) == shape(shown)
    for name in ("status", "merged", "commit_due", "token", "clear"):
        assert answer.json.get(name) == shown.get(name)
    for name in ("user_id", "data", "version", "idle_timeout"):
        assert answer.json["session"][name] == shown["session"][name]


def test_a_batch_is_answered_as_shown(backend: Backend) -> None:
    token = backend.log_in("ada")
    asked = re.search(rf"^POST /v1/batch\n.*{LINES}\n\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    shown = re.findall(r'^\{"call":(\d+),"status":\d+,"answer":\{', PAGE, re.MULTILINE)
    assert asked is not None

    answer = backend.request("POST", "/v1/batch", asked[1].replace("TOKEN", token).encode(), {"content-type": LINES})

    assert answer.status == 200
    told = re.findall(rb'^\{"call":(\d+),"status":200,"answer":\{"status"', answer.body, re.MULTILINE)
    assert sorted(told) == sorted(place.encode() for place in shown)
    assert int(answer.headers["sojourn-batches"]) == MAX_CALLS


def test_the_page_gives_the_bounds_that_hold() -> None:
    limits = json.loads((Path(__file__).parents[1] / "vectors" / "limits.json").read_text("utf-8"))
    client = client_of(ClientFacts(ip="1" * 999, user_agent="x" * 999))
    assert limits["client"] == {"ip": len(client.ip), "user_agent": len(client.user_agent)}
    for told in (
        f"`ip` {len(client.ip)} characters, `user_agent` {len(client.user_agent)}",
        f"| Levels | {MAX_DEPTH} of lists",
        f"have {MAX_HEAD // 1024} KiB at",
        f"within {REQUEST_WITHIN:g} seconds",
        f"after {KEEP_ALIVE}, many",
        f"its store {STORE_WITHIN:g} seconds",
        f"more than {MAX_CALLS} lines; 413 `body-too-large` for more than {MAX_BATCH_BYTES // 2**20} MiB",
    ):
        assert told in PAGE.replace("\n  ", " ").replace("\n", " "), told
    assert (MAX_INTEGER, REQUEST_LIFETIME_MS) == (2**53 - 1, 3_600_000)
    assert "goes back an hour at most" in PAGE


def test_every_file_of_vectors_is_named() -> None:
    for file in (Path(__file__).parents[1] / "vectors").glob("*.json"):
        assert f"| `{file.name}` |" in PAGE


def test_the_settings_are_all_there() -> None:
    assert f"```toml\n{EXAMPLE}```" in PAGE


def test_every_endpoint_is_there() -> None:
    for path, item in openapi()["paths"].items():
        for method in item.keys() - {"parameters"}:
            assert re.search(f"{method.upper()} {re.escape(path)}", PAGE)
