"""`sojourn keys`, as a process: what it prints, keeps and refuses."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import click
import pytest

from sojourn.cli import Exit
from sojourn.cli.keys import keys
from tests.cli.program import COMMAND, Program

KEY = re.compile("sjk1-([0-9a-f]{8})-[0-9a-f]{64}\n").fullmatch
IN_FILE = {"SOJOURN_KEYS": "keys.json"}
DOCS = Path(__file__).parents[2] / "docs" / "cli.md"


def make(sojourn: Program, *words: str, name: str = "web") -> str:
    """A new key; its id."""
    found = KEY(sojourn("keys", "make", "--name", name, *words, env=IN_FILE).out)
    assert found is not None
    return found[1]


def test_the_key_alone_is_printed_and_its_hash_alone_kept(sojourn: Program) -> None:
    made = sojourn("keys", "make", "--name", "web", env=IN_FILE)

    assert made.code == Exit.DONE
    assert KEY(made.out)
    assert made.err == "Keep it now: it is not shown again.\n"
    assert made.out[14:-1] not in (sojourn.folder / "keys.json").read_text()


def test_keys_are_listed_without_a_secret(sojourn: Program) -> None:
    first, second = make(sojourn), make(sojourn, "--scope", "admin", "--scope", "sessions", name="office")
    listed = sojourn("keys", "list", env=IN_FILE)

    lines = [re.split("  +", line) for line in listed.out.splitlines()]
    assert [line[:3] for line in lines] == [
        ["ID", "NAME", "SCOPES"],
        [first, "web", "sessions"],
        [second, "office", "admin sessions"],
    ]
    document = sojourn("keys", "list", "--json", env=IN_FILE).json
    assert [key["id"] for key in document["keys"]] == [first, second]
    assert not re.search("[0-9a-f]{64}", listed.out + str(document))


def test_a_key_is_rotated(sojourn: Program) -> None:
    id = make(sojourn)
    rotated = sojourn("keys", "rotate", id, "--grace", "1h", "--json", env=IN_FILE).json

    assert rotated["id"] == id
    assert KEY(rotated["key"] + "\n")
    assert rotated["former_until"] - rotated["rotated_at"] == 3_600_000
    assert sojourn("keys", "rotate", id, "--json", env=IN_FILE).json["former_until"] is None


def test_a_key_is_revoked(sojourn: Program) -> None:
    first, second = make(sojourn), make(sojourn, name="office")

    assert sojourn("keys", "revoke", first, env=IN_FILE).out == f"The key {first} (web) is revoked.\n"
    assert [key["id"] for key in sojourn("keys", "list", "--json", env=IN_FILE).json["keys"]] == [second]
    assert sojourn("keys", "revoke", second, "--json", env=IN_FILE).json["revoked"]["id"] == second
    assert sojourn("keys", "list", env=IN_FILE).out == "No keys.\n"


def test_two_keys_cannot_have_one_name(sojourn: Program) -> None:
    id = make(sojourn)
    before = (sojourn.folder / "keys.json").read_bytes()

    done = sojourn("keys", "make", "--name", "web", env=IN_FILE)

    assert (done.code, done.out) == (Exit.USAGE, "")
    assert f"The key {id} has this name already." in done.err
    assert f"sojourn keys rotate {id}" in done.err
    assert (sojourn.folder / "keys.json").read_bytes() == before
    sojourn("keys", "revoke", id, env=IN_FILE)
    make(sojourn)


def test_a_key_that_nobody_could_see_is_not_kept(sojourn: Program) -> None:
    id = make(sojourn)
    before = (sojourn.folder / "keys.json").read_bytes()
    for words in (["make", "--name", "office"], ["rotate", id], ["rotate", id, "--json"]):
        with Path("/dev/full").open("wb") as full:
            done = subprocess.run(
                [*COMMAND, "keys", *words, "--keys", "keys.json"],
                cwd=sojourn.folder,
                stdout=full,
                stderr=subprocess.PIPE,
                check=False,
            )
        assert done.returncode not in (0, Exit.NOTHING)
        assert (sojourn.folder / "keys.json").read_bytes() == before


@pytest.mark.parametrize("words", [["revoke"], ["rotate"]])
def test_what_a_link_leads_to_is_changed_and_the_link_stays(sojourn: Program, words: list[str]) -> None:
    """A service that reads the file itself must not go on taking the key."""
    id = make(sojourn)
    folder = sojourn.folder / "links"
    folder.mkdir()
    (folder / "first.json").symlink_to("../keys.json")
    (folder / "second.json").symlink_to("first.json")
    before = (sojourn.folder / "keys.json").read_bytes()

    done = sojourn("keys", *words, id, "--keys", "links/second.json")

    assert done.code == Exit.DONE
    assert (sojourn.folder / "keys.json").read_bytes() != before
    assert (folder / "second.json").readlink() == Path("first.json")
    assert (folder / "first.json").readlink() == Path("../keys.json")
    assert {path.name for path in folder.iterdir()} == {"first.json", "second.json"}


def test_a_link_to_a_file_that_is_not_there_yet_stays(sojourn: Program) -> None:
    (sojourn.folder / "link.json").symlink_to("keys.json")
    sojourn("keys", "make", "--name", "web", "--keys", "link.json")

    assert (sojourn.folder / "link.json").is_symlink()
    assert len(sojourn("keys", "list", "--json", env=IN_FILE).json["keys"]) == 1


def test_an_unknown_id_is_told_and_changes_nothing(sojourn: Program) -> None:
    make(sojourn)
    before = (sojourn.folder / "keys.json").read_bytes()
    for command in ("rotate", "revoke"):
        done = sojourn("keys", command, "00000000", env=IN_FILE)
        assert done.code == Exit.NOTHING
        assert done.err == "No key has the id 00000000. `sojourn keys list` shows them.\n"
    assert (sojourn.folder / "keys.json").read_bytes() == before


def test_a_name_cannot_steer_a_terminal(sojourn: Program) -> None:
    sojourn("keys", "make", "--name", "we\x1b[31mb\n", env=IN_FILE)

    assert "\x1b" not in sojourn("keys", "list", env=IN_FILE).out


def test_mistakes_are_told_with_their_mend(sojourn: Program) -> None:
    for words, told in [
        (["list", "--keys", "none.json"], "There is no file none.json. `sojourn keys make` makes it."),
        (["list"], "Missing option '--keys'"),
        (["make", "--keys", "x"], "Missing option '--name'"),
        (["make", "--keys", "nowhere/x", "--name", "web"], "nowhere/x cannot be written: No such file or directory."),
        (
            ["make", "--keys", "x", "--name", "web", "--scope", "all"],
            "one of 'sessions', 'admin', 'verify'",
        ),
    ]:
        done = sojourn("keys", *words)
        assert done.code == Exit.USAGE
        assert told in done.err


def test_the_page_names_each_command_and_option() -> None:
    page = DOCS.read_text("utf-8")
    for name, command in keys.commands.items():
        assert f"`sojourn keys {name}" in page
        for option in command.params:
            assert not isinstance(option, click.Option) or re.search(f"[` ]{option.opts[0]}", page)
