"""The page on remote managers is true."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from .service import Service

PAGE = Path(__file__).parents[2] / "docs/remote.md"


def test_the_page_s_application_does_what_it_says(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOJOURN_SERVICE", service.url)
    monkeypatch.setenv("SOJOURN_KEY", service.key)
    first, second = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    names: dict[str, Any] = {}
    exec(first, names)
    here, elsewhere = (TestClient(names["app"], base_url="https://testserver") for _ in range(2))

    assert here.post("/cart/tea").json() == ["tea"]
    assert here.post("/login").json() == {"hello": "ada"}
    assert here.post("/cart/cup").json() == ["tea", "cup"]
    elsewhere.post("/login")
    assert elsewhere.delete("/session/sessions").json()["ended"] >= 1
    assert here.get("/session/").json()["end_reason"] == "revoked"
    asyncio.run(names["manager"].close())
    exec(second, names)
    names["manager"].close()


def run(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def test_without_the_extra_the_import_says_which() -> None:
    code = """if True:
        import sys
        sys.modules["h11"] = None
        try:
            import sojourn.remote
        except Exception as error:
            print(type(error).__name__, error)
    """

    told = "A remote manager needs the extra `remote`: pip install '.[remote]' in a checkout of Sojourn"
    assert run(code) == f"ConfigurationError {told}"


def test_the_threads_side_loads_no_event_loop_and_no_tls_before_it_is_asked_for() -> None:
    code = f"""if True:
        import sys
        from sojourn.remote import RemoteSessionManager
        RemoteSessionManager("http://localhost:1", "sjk1-{"0" * 8}-{"0" * 64}").close()
        print(*[name for name in ("asyncio", "ssl", "starlette", "uvicorn") if name in sys.modules])
    """

    assert run(code) == ""
