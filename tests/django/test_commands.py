"""`manage.py sojourn VERB …` and `manage.py clearsessions`."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.test.utils import override_settings

from sojourn import Policy
from sojourn.django import manager


def run(*arguments: str) -> str:
    output = StringIO()
    call_command("sojourn", *arguments, stdout=output, stderr=output)
    return output.getvalue()


def test_sessions_are_listed_shown_and_ended(ours: None, ada: User) -> None:
    Client(HTTP_USER_AGENT="Mozilla/5.0 (Windows NT 10.0) Firefox/128.0").post(
        "/login", {"username": "ada", "password": "sesame"}
    )
    user = str(ada.pk)
    (found,) = manager().list(user)

    assert json.loads(run("list", "--user", user, "--json"))["sessions"][0]["id"] == found.id
    assert json.loads(run("show", found.id, "--json"))["session"]["user_id"] == user
    assert json.loads(run("stats", "--json"))["live"] == 1
    assert json.loads(run("revoke", "--user", user, "--json")) == {"ended": 1}
    assert manager().list(user) == []
    assert "0 sessions deleted" in run("cleanup")
    assert "nothing to migrate" in run("migrate")


def test_the_exit_code_is_the_program_s(ours: None) -> None:
    assert manager().stats().live == 0
    with pytest.raises(SystemExit) as ended:
        run("list")

    assert ended.value.code == 1


def test_the_policy_is_the_project_s(ours: None, settings_with_policy: Any) -> None:
    stated = json.loads(run("policy", "--json"))

    assert stated["policy"]["idle_timeout"] == 600_000


@pytest.fixture
def settings_with_policy() -> Any:
    with override_settings(SOJOURN={"store": "memory:", "policy": Policy(idle_timeout=600)}):
        yield


def test_a_manager_has_no_url_for_the_program(project: Path) -> None:
    named = override_settings(SOJOURN={"store": "tests.django.test_requests.counting_manager"})
    with named, pytest.raises(CommandError, match="the program needs a URL"):
        run("list")


def test_an_unknown_verb_is_told(project: Path) -> None:
    with pytest.raises(CommandError, match="invalid choice"):
        run("explode")


def test_clearsessions_works(ours: None) -> None:
    call_command("clearsessions")
