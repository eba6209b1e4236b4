"""`sojourn` and the service write to the audit trail; `sojourn audit` shows it and verifies it. Real processes."""

from __future__ import annotations

import gzip
import json
import os
import pwd
import re
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from sojourn import Client, SessionManager, open_store
from sojourn.audit import AuditFile
from sojourn.audit.trail_location import open_reader
from sojourn.cli import Exit
from sojourn.cli.audit import audit as audit_command
from sojourn.cli.copy import copy
from sojourn.cli.migrate import migrate
from sojourn.cli.serve_check import findings
from sojourn.remote import RemoteSessionManager
from sojourn.service.settings import make_settings
from tests.audit.receiver import SECRET, receiving
from tests.cli.program import COMMAND, Program
from tests.remote.service import SOJOURN, make_key
from tests.server import run_server

ME = f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
STORE = {"SOJOURN_STORE": "sqlite:///sessions.db", "SOJOURN_AUDIT": "audit.jsonl"}


def log_in(manager: SessionManager, user: str) -> str:
    """A new session's id."""
    session = manager.anonymous(Client("192.0.2.1", "Firefox"))
    session.login(user)
    manager.commit(session)
    assert session.id is not None
    return session.id


def entries(path: Path) -> list[dict[str, Any]]:
    """What is in a trail."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def test_the_program_writes_what_it_does_and_shows_and_verifies_it(sojourn: Program) -> None:
    path = sojourn.folder / "audit.jsonl"
    manager = SessionManager(open_store(f"sqlite:///{sojourn.folder}/sessions.db"), on_event=AuditFile(path))
    ids = [log_in(manager, user) for user in ("ada", "ada", "bob\u202e", "eve")]
    manager.close()
    key = sojourn("keys", "make", "--keys", "keys.json", "--name", "web", env=STORE).out
    sojourn("revoke", ids[0], env=STORE)
    sojourn("erase", "--user", "ada", env=STORE)
    sojourn("revoke", "--all", "--yes", env=STORE)

    told = [(each["what"], each.get("by"), each.get("user_id")) for each in entries(path)[4:]]
    assert told[:5] == [
        ("api_key_made", ME, None),
        ("ended", ME, "ada"),
        ("ended", ME, "ada"),
        ("revoked_all", ME, "ada"),
        ("erased", ME, "ada"),
    ]
    assert sorted(told[5:], key=str) == sorted(
        [("ended", ME, "bob\u202e"), ("ended", ME, "eve"), ("revoked_all", ME, None)], key=str
    )
    assert key.strip()[14:] not in path.read_text()

    shown = sojourn("audit", "--user", "ada", "--since", "1h", env=STORE)
    assert shown.code == Exit.DONE
    assert len(shown.out.splitlines()) == 6
    assert f"user_id=ada  session_id={ids[0]}  by=user  address=192.0.2.1" in shown.out
    whole = sojourn("audit", "verify", env=STORE)
    assert (whole.code, whole.out.split(": ")[0]) == (Exit.DONE, "The trail is whole")
    assert entries(path)[-1]["hash"] in whole.out


def test_a_trail_is_shown_safely_and_what_was_done_to_it_is_told_by_line(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    trail = AuditFile(path)
    for user in ("ada", "bob\u202e", "eve", "ada", "eve", "ada"):
        trail.note("counted", by="user", user_id=user)
    trail.close()

    def run(*words: str) -> tuple[int, str]:
        ran = CliRunner().invoke(audit_command, ["--audit", str(path), *words], standalone_mode=False)
        return int(ran.return_value), ran.output

    raw = run("--user", "ada", "--json")[1].splitlines()
    assert [json.loads(line)["n"] for line in raw] == [1, 4, 6]
    assert "\u202e" not in run()[1]
    assert run("--user", "nobody") == (Exit.NOTHING, "")
    assert len(run("--since", "1h")[1].splitlines()) == 6
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], lines[3].replace(b"ada", b"eve"), lines[2], *lines[5:]]))
    code, told = run("verify")
    assert code == Exit.NOTHING
    assert re.findall(r"audit\.jsonl:(\d+): (\w+)", told) == [("3", "changed"), ("4", "moved"), ("5", "removed")]
    in_json = json.loads(run("verify", "--json")[1])
    assert [each["kind"] for each in in_json["problems"]] == ["changed", "moved", "removed"]

    old = tmp_path / "audit.jsonl.1.gz"
    old.write_bytes(gzip.compress(b"".join(lines[:3])))
    path.write_bytes(b"".join(lines[3:]))
    assert run("verify", str(old), str(path))[0] == Exit.DONE
    assert run("verify")[0] == Exit.NOTHING
    assert run("verify", "--partial")[0] == Exit.DONE


def test_of_a_policy_that_was_told_before_it_is_shown_what_has_changed(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    trail = AuditFile(path)
    policies: list[dict[str, Any]] = [
        {"idle_timeout": 1800, "remember": {"idle_timeout": 60}},
        {"idle_timeout": 1800, "remember": {"idle_timeout": 60}},
        {"idle_timeout": 900, "remember": None},
    ]
    for policy in policies:
        trail.note("service_started", by="cli:root", policy=policy)
        trail.note("counted", by="user", policy="ours")
    trail.close()

    shown = CliRunner().invoke(audit_command, ["--audit", str(path)], standalone_mode=False).output.splitlines()

    assert [line.split("policy=")[1] for line in shown[::2]] == [
        "idle_timeout 1800; remember (idle_timeout 60)",
        "as before",
        "idle_timeout 1800 → 900; remember {'idle_timeout': 60} → None",
    ]


def test_a_trail_that_cannot_be_written_or_read_stops_the_program_before_anything_is_done(sojourn: Program) -> None:
    manager = SessionManager(open_store(f"sqlite:///{sojourn.folder}/sessions.db"))
    id = log_in(manager, "ada")
    env = STORE | {"SOJOURN_AUDIT": "nowhere/audit.jsonl"}

    refused = sojourn("revoke", id, env=env)
    assert (refused.code, "nowhere/audit.jsonl" in refused.err) == (Exit.USAGE, True)
    assert "cannot be written" in refused.err
    info = manager.get(id)
    assert info is not None
    assert info.end_reason is None
    manager.close()
    missing = sojourn("audit", "verify", env=env)
    assert (missing.code, "There is no audit trail" in missing.err) == (Exit.USAGE, True)


def test_a_copy_is_told_of_and_a_migration_that_changes_nothing_is_not(tmp_path: Path) -> None:
    path, url = tmp_path / "audit.jsonl", f"sqlite:///{tmp_path}/old.db"
    log_in(SessionManager(open_store(url)), "ada")
    to = ["--from", url, "--to", f"sqlite:///{tmp_path}/new.db"]
    assert CliRunner().invoke(copy, [*to, "--audit", str(path)], standalone_mode=False).return_value == Exit.DONE
    assert CliRunner().invoke(migrate, ["--store", url, "--audit", str(path)], standalone_mode=False).return_value == 0

    (told,) = entries(path)
    assert (told["what"], told["by"], told["source"], told["target"]) == ("copied", ME, "sqlite", "sqlite")
    assert told["sessions"]["copied"] == 1


AUDIT = {"trail": "{folder}/audit.jsonl"}
HOOK = {"url": "https://siem.example.com/", "secret_file": "{folder}/secret", "outbox": "{folder}/outbox.db"}


@pytest.mark.parametrize(
    ("audit", "hook", "told"),
    [
        (AUDIT, HOOK, None),
        (
            {"trail": "{folder}/none/audit.jsonl"},
            None,
            "wrong: audit.trail {folder}/none/audit.jsonl: there is no",
        ),
        ({"trail": "{folder}"}, None, "wrong: audit.trail {folder}: that is a folder. Give a file in it."),
        ({"trail": "{folder}/open.jsonl"}, None, "weak: audit.trail {folder}/open.jsonl: everybody may read who was"),
        ({"trail": "/proc/self/audit.jsonl"}, None, "wrong: audit.trail /proc/self/audit.jsonl: it cannot be written."),
        ({"trail": "redis://me:hunter2@h"}, None, "wrong: audit.trail: No audit trail is kept in redis"),
        ({"trail": "sqlite:///{folder}/none/a.db"}, None, "wrong: audit.trail {folder}/none/a.db: there is no folder"),
        (AUDIT, HOOK | {"url": "http://siem.example.com/"}, "wrong: audit.webhook.url: A webhook goes to https"),
        (
            AUDIT,
            HOOK | {"secret_file": "{folder}/none"},
            "wrong: audit.webhook.secret_file {folder}/none: No such",
        ),
        (AUDIT, HOOK | {"secret_file": "{folder}/open.jsonl"}, "wrong: A webhook's secret is whsec_ and the base64"),
        (AUDIT, HOOK | {"secret_file": "{folder}/shared"}, "weak: audit.webhook.secret_file: others may read it"),
        (
            AUDIT,
            HOOK | {"outbox": "{folder}/none/outbox.db"},
            "wrong: audit.webhook.outbox {folder}/none/outbox.db:",
        ),
    ],
)
def test_a_check_of_the_settings_looks_at_the_trail_and_makes_no_file(
    tmp_path: Path, audit: dict[str, str], hook: dict[str, str] | None, told: str | None
) -> None:
    for name, text, mode in (("secret", SECRET, 0o600), ("shared", SECRET, 0o644), ("open.jsonl", "", 0o644)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(mode)
    make_key(tmp_path / "keys.json")
    before = sorted(tmp_path.iterdir())

    def here(table: dict[str, str]) -> dict[str, str]:
        return {name: value.format(folder=tmp_path) for name, value in table.items()}

    tables = {"audit": here(audit) | ({"webhook": here(hook)} if hook else {})}
    settings = make_settings({"store": "sqlite:///s.db", "keys": f"{tmp_path}/keys.json", **tables})
    found = [f"{finding.how}: {finding.text}" for finding in findings(settings, None)]

    assert len(found) == (told is not None), found
    assert not told or found[0].startswith(told.format(folder=tmp_path)), found
    assert "hunter2" not in "".join(found)
    assert sorted(tmp_path.iterdir()) == before


def test_who_follows_the_trail_is_told_across_a_rotation(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    trail = AuditFile(path)
    trail.note("first", by="user")
    following = subprocess.Popen(
        [*COMMAND, "audit", "--audit", str(path), "--follow", "--json"],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        assert following.stdout is not None
        assert json.loads(following.stdout.readline())["what"] == "first"
        path.rename(tmp_path / "audit.jsonl.1")
        trail.note("second", by="user")
        trail.note("third", by="user")
        assert [json.loads(following.stdout.readline())["what"] for _ in range(2)] == ["second", "third"]
    finally:
        following.kill()
        following.wait()
        if following.stdout is not None:
            following.stdout.close()


@pytest.mark.parametrize(
    ("store", "where"),
    [
        ("sqlite:///{folder}/sessions.db", "sqlite:///{folder}/sessions.db"),
        ("memory:", "{folder}/audit.jsonl"),  # it never waits
    ],
)
def test_the_service_writes_its_policy_and_which_key_or_session_asked(store: str, where: str, sojourn: Program) -> None:
    folder = sojourn.folder
    store, trail = store.format(folder=folder), where.format(folder=folder)
    keys, config = folder / "keys.json", folder / "service.toml"
    secret = folder / "secret"
    secret.write_text(f"{SECRET}\n")
    key = make_key(keys)
    command = [SOJOURN, "serve", "--config", str(config), "--store", store, "--keys", str(keys), "--port", "{port}"]
    with receiving() as receiver:
        config.write_text(
            f'[audit]\ntrail = "{trail}"\n[audit.webhook]\nurl = "{receiver.url}"\nsecret_file = "{secret}"\n'
            f'outbox = "{folder}/outbox.db"\n[policy]\nidle_timeout = 600\n'
        )
        with run_server(command, folder / "log", path="/health") as server:
            remote = RemoteSessionManager(server.url, key)
            ids = [log_in(remote, "ada") for _ in range(3)]
            remote.revoke(ids[0])
            remote.revoke(ids[1], by=f"session:{ids[2]}", address="198.51.100.7")
            remote.revoke_all("ada", by="application:password reset")
            remote.close()
            sent = receiver.wait_for(8)
            log = server.output()

    with closing(open_reader(trail)) as reader:
        lines = reader.read()
    started, *rest = map(json.loads, lines)
    assert sorted((data["data"] for _, data in sent), key=lambda entry: int(entry["n"])) == [started, *rest]
    assert (started["what"], started["by"], started["policy"]["idle_timeout"]) == ("service_started", ME, 600)
    asked = f"key:{key[5:13]}"
    assert {each["through"] for each in rest} == {asked}
    assert [(each["what"], each["by"], each.get("address")) for each in rest[3:]] == [
        ("ended", asked, None),
        ("ended", f"session:{ids[2]}", "198.51.100.7"),
        ("ended", "application:password reset", None),
        ("revoked_all", "application:password reset", None),
    ]
    assert [(each["what"], each["by"], each["address"]) for each in rest[:3]] == [
        ("logged_in", "user", "192.0.2.1")
    ] * 3
    assert key[14:] not in b"".join(lines).decode() + log
    assert sojourn("audit", "--audit", trail, "verify").code == Exit.DONE
