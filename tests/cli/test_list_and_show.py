"""`sojourn list` and `sojourn show`, as processes on a real file."""

from __future__ import annotations

import pytest

from tests.cli.conftest import DAY, HOUR, MINUTE, Sessions
from tests.cli.program import Program

FIELDS = {
    "id",
    "user_id",
    "status",
    "end_reason",
    "created_at",
    "authenticated_at",
    "seen_at",
    "expires_at",
    "absolute_expires_at",
    "ended_at",
    "remember",
    "bound",
    "version",
    "ip",
    "user_agent",
}


def test_list_shows_live_sessions_the_latest_seen_first(sessions: Sessions, sojourn: Program) -> None:
    older = sessions.make("ada", ago=3 * MINUTE)
    newer = sessions.make(ago=5)
    sessions.make("bob", ago=2 * HOUR)  # idle for too long
    done = sojourn("list", "--store", sessions.url)
    header, first, second = done.out.splitlines()
    assert done.code == 0
    assert header.split() == ["ID", "USER", "STARTED", "SEEN", "ENDS", "BOUND", "IP", "DEVICE"]
    assert first.startswith(f"{newer}  -     ")
    assert second.startswith(f"{older}  ada   3 min ago  3 min ago  in 26 min  -      203.0.113.9  Chrome on Windows")
    assert header.index("DEVICE") == first.index("Chrome") == second.index("Chrome")


def test_list_all_shows_dead_sessions_and_why(sessions: Sessions, sojourn: Program) -> None:
    sessions.make("bob", ago=2 * HOUR)
    sessions.manager.revoke(sessions.make("cyd", ago=MINUTE))
    done = sojourn("list", "--store", sessions.url, "--all")
    assert done.code == 0
    assert [line.split()[1:3] for line in done.out.splitlines()[1:]] == [["cyd", "revoked"], ["bob", "idle_timeout"]]


def test_list_of_a_user_shows_only_theirs(sessions: Sessions, sojourn: Program) -> None:
    hers = {sessions.make("ada"), sessions.make("ada")}
    sessions.make("bob")
    dead = sessions.make("ada", ago=DAY)
    live = sojourn("list", "--store", sessions.url, "--user", "ada", "--json").json
    every = sojourn("list", "--store", sessions.url, "--user", "ada", "--all", "--json").json
    assert {session["id"] for session in live["sessions"]} == hers
    assert {session["id"] for session in every["sessions"]} == hers | {dead}


IPS = ["203.0.113.9", "203.0.113.200", "198.51.100.7", "2001:db8::7", "::ffff:203.0.113.9", "", "unknown"]


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("203.0.113.9", ["203.0.113.9", "::ffff:203.0.113.9"]),
        ("203.0.113.0/24", ["203.0.113.9", "203.0.113.200", "::ffff:203.0.113.9"]),
        ("203.0.113.9/24", ["203.0.113.9", "203.0.113.200", "::ffff:203.0.113.9"]),
        ("2001:DB8:0::7", ["2001:db8::7"]),
        ("2001:db8::/32", ["2001:db8::7"]),
        ("192.0.2.1", []),
    ],
)
def test_list_of_an_address_shows_what_began_there(
    sessions: Sessions, sojourn: Program, address: str, found: list[str]
) -> None:
    for ip in IPS:
        sessions.make(ip=ip)
    done = sojourn("list", "--store", sessions.url, "--ip", address, "--json")
    assert sorted(session["ip"] for session in done.json["sessions"]) == sorted(found)
    assert done.code == (0 if found else 1)


def test_list_since_shows_what_was_seen_or_ended_since(sessions: Sessions, sojourn: Program) -> None:
    fresh, older = sessions.make(ago=MINUTE), sessions.make(ago=20 * MINUTE)
    revoked = sessions.make("ada", ago=25 * MINUTE)
    sessions.manager.revoke(revoked)  # now
    long_over = sessions.make(ago=DAY)

    def listed(*words: str) -> set[str]:
        found = sojourn("list", "--store", sessions.url, "--json", *words).json["sessions"]
        return {session["id"] for session in found}

    assert listed("--since", "10m") == {fresh}
    assert listed("--since", "30m") == {fresh, older}
    assert listed("--since", "10m", "--all") == {fresh, revoked}
    assert listed("--since", "2d", "--all") == {fresh, older, revoked, long_over}


def test_list_of_a_reason_shows_what_ended_for_it(sessions: Sessions, sojourn: Program) -> None:
    sessions.make("ada")
    for reason in ("revoked", "token_reuse", "token_reuse"):
        sessions.manager.revoke(sessions.make("bob", ip="192.0.2.1"), reason)
    idle = sessions.make("cyd", ago=DAY)
    command = ["list", "--store", sessions.url, "--json", "--reason"]

    assert sojourn(*command, "token_reuse").json["total"] == 2
    assert [each["id"] for each in sojourn(*command, "idle_timeout").json["sessions"]] == [idle]
    assert sojourn(*command, "token_reuse", "--user", "bob", "--ip", "192.0.2.0/28", "--since", "1h").json["total"] == 2
    assert sojourn(*command, "token_reuse", "--user", "ada").code == 1
    refused = sojourn(*command, "boredom")
    assert refused.code == 2
    assert "'token_reuse'" in refused.err


def test_list_as_json_is_one_document_with_times_in_milliseconds(sessions: Sessions, sojourn: Program) -> None:
    id = sessions.make("ada", ago=MINUTE, remember=True)
    ended = sessions.make("bob", ago=2 * MINUTE)
    sessions.manager.revoke(ended)
    document = sojourn("list", "--store", sessions.url, "--all", "--json").json
    assert set(document) == {"now", "total", "sessions"}
    first, second = document["sessions"]
    assert set(first) == FIELDS
    assert first["id"] == id
    assert (first["status"], first["ended_at"], first["remember"]) == ("active", None, True)
    assert first["created_at"] == sessions.started - MINUTE * 1000
    assert first["expires_at"] == first["created_at"] + 14 * DAY * 1000
    assert (second["status"], second["end_reason"], second["ended_at"]) == ("ended", "revoked", sessions.started)
    assert document["now"] >= sessions.started


def test_list_of_nothing_says_so_and_exits_1(sessions: Sessions, sojourn: Program) -> None:
    done = sojourn("list", "--store", sessions.url)
    assert (done.code, done.out, done.err) == (1, "", "No live sessions.\n")
    done = sojourn("list", "--store", sessions.url, "--json")
    assert (done.code, done.json["sessions"]) == (1, [])


def test_list_stops_at_its_limit_and_counts_on(sessions: Sessions, sojourn: Program) -> None:
    for ago in range(1, 8):
        sessions.make(ago=ago)
    document = sojourn("list", "--store", sessions.url, "--limit", "2", "--json").json
    assert document["total"] == 7
    assert [(sessions.started - session["seen_at"]) for session in document["sessions"]] == [1000, 2000]
    seen = sojourn.on_terminal("list", "--store", sessions.url, "--limit", "2").out
    assert "2 of 7 live sessions. See more with --limit." in seen


def test_show_tells_all_of_a_session_and_prints_its_data(sessions: Sessions, sojourn: Program) -> None:
    id = sessions.make("ada", ago=3 * MINUTE, cart=["a", {"größe": 2}])
    done = sojourn("show", id, "--store", sessions.url)
    assert done.code == 0
    told = dict(line.split("  ", 1) for line in done.out.splitlines() if "  " in line.strip())
    assert told["id"].strip() == id
    assert told["status"].strip() == "live"
    assert told["ends"].strip().startswith("in 26 min (2")
    assert '"größe": 2' in done.out


def test_show_as_json_holds_the_data(sessions: Sessions, sojourn: Program) -> None:
    id = sessions.make(cart=["a"])
    session = sojourn("show", id, "--store", sessions.url, "--json").json["session"]
    assert set(session) == FIELDS | {"data"}
    assert session["data"] == {"cart": ["a"]}


def test_whether_a_session_is_bound_to_a_key_is_told(sessions: Sessions, sojourn: Program) -> None:
    free, bound = sessions.make("ada", ago=MINUTE), sessions.make_bound("ada")
    at = ["--store", sessions.url]

    header, *lines = sojourn("list", *at).out.splitlines()
    assert [line[header.index("BOUND") :].split()[0] for line in lines] == ["browser", "-"]
    listed = sojourn("list", *at, "--json").json["sessions"]
    assert [(each["id"], each["bound"]) for each in listed] == [(bound, "browser"), (free, None)]
    assert "bound          to a key in the browser\n" in sojourn("show", bound, *at).out
    assert "bound          no: the token alone opens it\n" in sojourn("show", free, *at).out


def test_show_of_an_unknown_id_exits_1(sessions: Sessions, sojourn: Program) -> None:
    unknown = "0123456789abcdef" * 2
    done = sojourn("show", unknown, "--store", sessions.url)
    assert (done.code, done.out) == (1, "")
    assert unknown in done.err
    done = sojourn("show", unknown, "--store", sessions.url, "--json")
    assert (done.code, done.json["session"]) == (1, None)


def test_an_id_may_be_given_by_its_first_digits(sessions: Sessions, sojourn: Program) -> None:
    id = sessions.make()
    assert sojourn("show", id[:8].upper(), "--store", sessions.url, "--json").json["session"]["id"] == id


def test_a_beginning_that_two_ids_share_is_refused(sessions: Sessions, sojourn: Program) -> None:
    # A user's ids share their first 3 digits, so 17 of them share a fourth.
    ids = [sessions.make("ada") for _ in range(17)]
    shared = next(id[:4] for id in ids if sum(other[:4] == id[:4] for other in ids) > 1)
    done = sojourn("revoke", shared, "--store", sessions.url)
    assert done.code == 2
    assert "More than one" in done.err
    assert sessions.manager.stats().live == 17


def test_no_secret_and_no_hash_is_ever_printed(sessions: Sessions, sojourn: Program) -> None:
    id = sessions.make("ada")
    printed = ""
    for words in (["list", "--all"], ["show", id], ["stats"], ["list", "--json"], ["show", id, "--json"]):
        printed += sojourn(*words, "--store", sessions.url).out
    secret = sessions.tokens[0].reveal().rsplit("-", 1)[1]
    assert id in printed
    assert secret not in printed
    assert sessions.tokens[0].hash.hex() not in printed


def test_a_token_given_for_an_id_is_not_repeated(sessions: Sessions, sojourn: Program) -> None:
    sessions.make("ada")
    done = sojourn("show", sessions.tokens[0].reveal(), "--store", sessions.url)
    assert done.code == 2
    assert "secret" in done.err
    assert sessions.tokens[0].reveal()[-64:] not in done.out + done.err


def test_what_strangers_wrote_cannot_steer_the_terminal(sessions: Sessions, sojourn: Program) -> None:
    evil = "\x1b]0;title\x07\x9b2J\u202e"
    id = sessions.make("eve" + evil, agent="Evil" + evil, note=evil)
    for words in (["list"], ["show", id], ["revoke", "--user", "eve" + evil], ["show", id, "--json"]):
        seen = sojourn.on_terminal(*words, "--store", sessions.url, env={"NO_COLOR": "1"}).out
        assert seen
        assert not set("\x1b\x07\x9b\u202e") & set(seen), words


def test_colour_and_short_ids_are_for_terminals(sessions: Sessions, sojourn: Program) -> None:
    id = sessions.make("田中さん")
    command = ["list", "--store", sessions.url]
    assert "\x1b[" not in sojourn(*command).out
    assert id in sojourn(*command).out
    seen = sojourn.on_terminal(*command).out
    assert "\x1b[1mID" in seen
    assert f"{id[:12]}  田中さん" in seen
    assert id not in seen
    for env in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b" not in sojourn.on_terminal(*command, env=env).out


def test_a_line_is_cut_at_the_terminals_edge(sessions: Sessions, sojourn: Program) -> None:
    sessions.make("ada", agent="x" * 300)
    seen = sojourn.on_terminal("list", "--store", sessions.url, columns=60, env={"NO_COLOR": "1"}).out
    assert all(len(line) <= 60 for line in seen.splitlines())
    assert "…" in seen
