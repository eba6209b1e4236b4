"""docs/asgi.md: the application of each framework does what the page says."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.test_docs import run

FRAMEWORKS = ["starlette", "fastapi", "litestar", "quart"]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_application_of_each_framework_keeps_its_cart(
    framework: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with TestClient(run("docs/asgi.md", f"from {framework}")["app"], base_url="https://testserver") as client:
        assert [client.post(f"/cart/{item}").json() for item in ("tea", "cup")] == [["tea"], ["tea", "cup"]]
        assert client.patch("/session/", json={"set": {"theme": "dark"}}).json()["data"] == {"theme": "dark"}
        assert client.get("/session/sessions").json()["type"] == "urn:sojourn:problem:login-required"


def test_the_plain_application_keeps_its_cart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    client = TestClient(run("docs/asgi.md", "async def page")["app"], base_url="https://testserver")

    assert [client.get(f"/{item}").json() for item in ("tea", "cup")] == [["tea"], ["tea", "cup"]]
    assert client.get("/session/").json()["status"] == "active"
