"""The pages on Flask and WSGI do what they say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.test_docs import run
from tests.wsgi.world import Browser


@pytest.fixture
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("_folder")
def test_the_flask_page_s_bag_is_kept_and_its_endpoints_answer() -> None:
    here = run("docs/flask.md", "def add")["app"].test_client()

    assert [here.post(f"/bag/{item}").json for item in ("tea", "cup")] == [["tea"], ["tea", "cup"]]
    assert here.patch("/session", json={"set": {"theme": "dark"}}).get_json()["data"] == {"theme": "dark"}


@pytest.mark.usefixtures("_folder")
def test_the_flask_page_s_log_in_and_log_out_do_what_they_say() -> None:
    app = run("docs/flask.md", "def login")["app"]
    here, elsewhere = app.test_client(), app.test_client()

    assert here.get("/me").status_code == 401
    assert here.post("/login", json={"user": "ada", "password": "wrong"}).status_code == 403
    for browser in (here, elsewhere):
        assert browser.post("/login", json={"user": "ada", "password": "ada's password"}).status_code == 200
    assert here.get("/me").json == {"me": "ada"}
    assert here.post("/password").json == {"ended": 1}
    assert elsewhere.get("/me").json["end_reason"] == "revoked"
    here.post("/logout")
    assert here.get("/me").status_code == 401


@pytest.mark.usefixtures("_folder")
def test_the_flask_page_s_tutorial_logs_in_by_its_key() -> None:
    from flask import session

    app = run("docs/flask.md", 'Flask("tutorial")')["app"]
    browser = app.test_client()
    with browser.session_transaction() as transaction:
        transaction["user_id"] = 7
    with browser:
        browser.get("/")
        assert session.user_id == "7"  # type: ignore[attr-defined]


@pytest.mark.usefixtures("_folder")
def test_the_wsgi_page_s_application_does_what_it_says() -> None:
    browser = Browser(run("docs/wsgi.md")["app"])

    assert [browser.post(f"/{item}").json for item in ("tea", "cup")] == [["tea"], ["tea", "cup"]]
    assert browser("PATCH", "/session", {"set": {"theme": "dark"}}).json["data"] == {"theme": "dark"}
