"""docs/service.md says what the service does."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from sojourn.service.openapi import openapi
from sojourn.service.settings import EXAMPLE
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


def test_the_settings_are_all_there() -> None:
    assert f"```toml\n{EXAMPLE}```" in PAGE


def test_every_endpoint_is_there() -> None:
    for path, item in openapi()["paths"].items():
        for method in item.keys() - {"parameters"}:
            assert re.search(f"{method.upper()} {re.escape(path)}", PAGE)
