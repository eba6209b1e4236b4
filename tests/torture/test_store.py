"""`sojourn torture` on stores: it finds what each wrong one loses, and finds nothing in a right one."""

from __future__ import annotations

import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from sojourn import SessionManager, open_store
from sojourn.torture import RACES, Run, RunSettings, Target, WorkerPool, user_index
from sojourn.torture.app import APP_RACES
from tests.cli.program import COMMAND, Program, Result
from tests.torture.conftest import Torture

IN_ONE_PROCESS = [race.name for race in RACES if not race.needs]


def verdicts(done: Result) -> dict[str, str]:
    return {race["name"]: race["verdict"] for race in done.json["races"]}


def race(done: Result, name: str) -> Any:
    return next(race for race in done.json["races"] if race["name"] == name)


@pytest.mark.parametrize("store", ["Right", "make_awaited", "CachesAsItSays"])
def test_a_right_store_of_one_s_own_comes_through(store: str, torture: Torture) -> None:
    done = torture(store)

    assert [race for race in done.json["races"] if race["verdict"] != "ok"] == []
    assert list(verdicts(done)) == [*IN_ONE_PROCESS, "kill", "strangers"]
    assert (done.code, done.json["processes"]) == (0, 2)


# Wrong stores, and the races that are there to find them.
WRONG = {
    "Overwrites": ["keys", "appends", "increments"],
    "LooksThenWrites": ["keys", "logout"],
    "Creates": ["slow-reader", "slow-writer", "slow-rotation"],
    "SaysYes": ["slow-writer"],
    "Succeeds": ["slow-regenerate", "double-login"],
    "KeepsBoth": ["fixation"],
    "Caches": ["cache"],
    "CachesTooLong": ["cache"],
    "Forgets": ["revoke-all"],
    "GivesNoReason": ["revoke-all"],
    "LetsIn": ["revoke-all", "bar"],
    "CountsBefore": ["cap"],
    "Drifts": ["index"],
    "DropsFromIndex": ["index"],
    "WritesLater": ["pause", "kill"],
}


def test_there_is_a_wrong_store_for_each_race() -> None:
    # The others are `kill` with other faults; test_storm.py and test_history.py have them.
    assert {name for names in WRONG.values() for name in names} == {race.name for race in RACES} - {"network", "storm"}


@pytest.mark.parametrize("store", WRONG)
def test_a_wrong_store_is_found(store: str, torture: Torture) -> None:
    rounds = 1
    done = torture(store, *WRONG[store], rounds=rounds)
    # What is a lottery of milliseconds is played for longer.
    while not all(race(done, name)["lost"] for name in WRONG[store]) and rounds < 16:
        rounds *= 4
        done = torture(store, *WRONG[store], rounds=rounds)

    for name in WRONG[store]:
        assert race(done, name)["verdict"] == "lost"
        assert race(done, name)["lost"] > 0
    assert done.code == 1


def test_another_one_s_data_is_found_whatever_the_race(torture: Torture) -> None:
    done = torture("Mixes", "slow-reader")

    assert race(done, "strangers")["lost"] > 0
    assert done.code == 1


@pytest.mark.parametrize(
    ("store", "told", "code"),
    [
        ("Raises", "KeyError: 'who knows'", 1),
        ("Dies", "A process died, with the exit code 7.", 1),
        ("IsDown", "StoreUnavailable: The store is out for lunch.", 3),
    ],
)
def test_a_race_that_comes_to_no_end_is_told_and_the_next_one_is_run(
    store: str, told: str, code: int, torture: Torture
) -> None:
    done = torture(store, "keys", "cap")

    assert (race(done, "keys")["verdict"], race(done, "keys")["error"]) == ("error", told)
    assert race(done, "cap")["verdict"] == "ok"
    assert done.code == code


def test_a_store_that_cannot_be_opened_is_told(torture: Torture) -> None:
    done = torture("NeverOpens")

    assert (done.code, done.out) == (3, "")
    assert done.err.strip().endswith("Error: ConnectionRefusedError: Nobody is at home.")


# The program


def test_on_a_file_it_shows_a_table_and_leaves_nobody_logged_in(sojourn: Program) -> None:
    options = ["--processes", "2", "--rounds", "1", "--storm", "0.5", "--seed", "7"]
    done = sojourn("torture", "sqlite:///sessions.db", *options)
    lines = done.out.splitlines()
    store = open_store(f"sqlite:///{sojourn.folder / 'sessions.db'}")
    left = SessionManager(store).stats()
    store.close()

    assert (done.code, done.err) == (0, "")
    assert lines[0] == "sqlite:///sessions.db  2 processes (1 with threads, 1 with an event loop), 1 round, seed 7"
    assert "sojourn-torture-*" in lines[1]
    assert lines[3].split() == ["RACE", "TRIES", "LOST", "VERDICT", "TIME"]
    rows = [line.split()[:4] for line in lines[4:-2] if not line.startswith(" ")]
    assert [row[0] for row in rows] == [*IN_ONE_PROCESS, "kill", "strangers"]
    assert {(row[2], row[3]) for row in rows} == {("0", "ok")}
    assert re.fullmatch(r"Nothing was lost: [\d,]+ tries in 18 races\.", lines[-1])
    # A session of nobody's, whose maker was killed before it heard of it, is nobody's to end. It runs out.
    assert (left.users, left.live) in ((0, 0), (0, 1))
    assert left.ended > 500


def test_on_a_terminal_a_line_shows_how_far_it_is(sojourn: Program) -> None:
    words = ["torture", "sqlite:///sessions.db", "--processes", "2", "--rounds", "20", "--only", "slow-writer"]
    done = sojourn.on_terminal(*words)

    # Drawn at the first word, and then by time: which of the later ones are is the machine's.
    assert "\rslow-writer       0 of 1,000 sessions" in done.out
    assert re.search(r"\rslow-writer       [1-9]\d+ of 1,000 sessions", done.out)
    assert "\x1b[32m" in done.out
    assert done.code == 0


def test_a_store_in_memory_is_tortured_by_threads_of_one_process(sojourn: Program) -> None:
    done = sojourn("torture", "memory:", "--rounds", "1")

    assert done.out.startswith("memory:  threads of one process, 1 round, seed ")
    assert "\nkill " not in done.out
    assert done.code == 0


def test_a_url_with_a_password_may_come_from_the_environment(sojourn: Program) -> None:
    url = "postgresql://ada:hunter2@127.0.0.1:1/app"
    done = sojourn("torture", "--processes", "1", env={"SOJOURN_TORTURE_STORE": url})

    assert (done.code, done.out) == (3, "")
    assert "hunter2" not in done.err


def test_sessions_of_others_are_left_alone(sojourn: Program) -> None:
    url = f"sqlite:///{sojourn.folder / 'sessions.db'}"
    manager = SessionManager(open_store(url))
    session = manager.anonymous()
    session["cart"] = ["tea"]
    session.login("ada")
    token = manager.commit(session).token
    assert token is not None
    before = manager.get(token.id)
    sojourn("torture", url, "--processes", "2", "--rounds", "1", "--storm", "0.5")

    assert manager.get(token.id) == before
    manager.close()


def test_interrupted_it_ends_the_sessions_that_it_made(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sessions.db'}"
    words = [*COMMAND, "torture", url, "--processes", "2", "--rounds", "1000", "--only", "slow-writer"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        manager = SessionManager(open_store(url))
        deadline = time.monotonic() + 30
        while manager.stats().live < 20 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=90)
    left = manager.stats()
    manager.close()

    assert (process.returncode, errors.strip()) == (130, "Interrupted.")
    assert left.live == 0
    assert left.ended >= 20


def test_the_same_seed_makes_the_same_choices() -> None:
    def choices(seed: int, name: str) -> list[float]:
        (race,) = [race for race in RACES if race.name == name]
        run = Run(pool, RunSettings(rounds=1, seed=seed, storm=1))
        chance = run.context(race, lambda text: None).random
        return [chance.random() for _ in range(3)]

    with WorkerPool(Target.parse("memory:"), 1) as pool:
        assert choices(1, "index") == choices(1, "index")
        assert choices(1, "index") != choices(2, "index")
        assert choices(1, "index") != choices(1, "kill")


def test_however_many_sessions_a_user_has_none_is_missed_in_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(user_index, "WEIGHTS", [kind == "log in" for kind in user_index.KINDS])
    monkeypatch.setattr(user_index, "LONGEST_STEP", 2)  # in ms: none runs out
    (race,) = [race for race in RACES if race.name == "index"]

    with WorkerPool(Target.parse("memory:"), 1) as pool:
        run = Run(pool, RunSettings(rounds=1, seed=1, storm=1))
        tally = race.run(run.context(race, lambda text: None))

    assert (tally.tries, tally.lost) == (1000, 0)


def test_the_list_tells_what_each_race_does(sojourn: Program) -> None:
    done = sojourn("torture", "--list")

    assert done.code == 0
    assert all(re.search(rf"^{one.name} +\w", done.out, re.MULTILINE) for one in RACES)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "Say what to torture: a STORE, or --app URL."),
        (["memory:", "--app", "http://localhost"], "Say what to torture"),
        (["memory:", "--only", "nonsense"], "nonsense is no race here. These are: keys, appends,"),
        (["memory:", "--only", "kill"], "The race kill needs more than one process."),
        (["sqlite:///a.db", "--only", "storm"], "The race storm needs --during-storm."),
        (["sqlite:///a.db", "--only", "network"], "The race network needs a PostgreSQL or Redis server at one address"),
        (["--app", "http://localhost", "--during-storm", "true"], "--during-storm is for a STORE."),
        (["--app", "http://localhost", "--history", "new"], "--history is for a STORE."),
        (["sqlite:///a.db", "--only", "keys", "--history", "new"], "--history keeps the storms, and none of the races"),
        (["sqlite:///a.db", "--history", "/dev/null"], "/dev/null exists: name a new file for --history."),
        (["sqlite:///a.db", "--history", "nowhere/new"], "nowhere/new cannot be written: No such file or directory."),
        (["sqlite:///a.db", "--check", "/dev/null"], "--check judges a FILE: give no STORE and no --app with it."),
        (["--check", "nowhere"], "nowhere"),
        (["--check", "/dev/null"], "/dev/null is empty"),
        (["sqlite:///a.db", "--login", "POST /login"], "--login is for --app."),
        (["sqlite:///a.db", "--slow-write", "POST /slow"], "--slow-write is for --app."),
        (["sqlite:///a.db", "--header", "A: b"], "--header is for --app."),
        (["sessions.db"], "sqlite:///sessions.db"),
        (["mysql://ada:hunter2@host/db"], "'mysql'"),
        (["nowhere:Store"], "Write package.module:Class, from the folder that holds it."),
        (["json:Nothing"], "Write package.module:Class, from the folder that holds it."),
        (["json:loads"], "is to be called without arguments"),
        (["json:JSONDecoder"], "json:JSONDecoder made no Store: it lacks get, create, commit,"),
    ],
    ids=lambda words: " ".join(words)[:40] if isinstance(words, list) else "",
)
def test_wrong_usage_is_told_with_its_mend(words: list[str], told: str, sojourn: Program) -> None:
    done = sojourn("torture", *words)

    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert "Traceback" not in done.err
    assert "hunter2" not in done.err
    assert not list(sojourn.folder.iterdir())


def test_the_page_on_torture_has_every_race() -> None:
    page = (Path(__file__).parents[2] / "docs/torture.md").read_text("utf-8")
    tables = "".join(re.findall(r"^\| Race \|.*?\n\n", page, re.MULTILINE | re.DOTALL))
    first = "".join(re.findall(r"^\| (`[^|]*)\|", tables, re.MULTILINE))
    names = re.findall(r"`([a-z-]+)`", first)

    races = [*[race.name for race in RACES], *[race.name for race in APP_RACES]]
    assert sorted(names) == sorted([*races, "strangers"])
