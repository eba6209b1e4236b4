"""Races through the framework, its server's threads and processes: nothing lost, nothing revived, nothing crossed."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sojourn import SessionManager, open_store
from tests.http.browser import Answer
from tests.http.crowd import Ask, ask_at_once
from tests.http.site import Site

USERS = 200
TOGETHER = 50


def statuses(answers: Sequence[Answer]) -> set[int]:
    return {answer.status for answer in answers}


def test_50_parallel_writes_to_different_keys_are_all_kept(site: Site) -> None:
    browser = site.browser()
    token = browser.log_in("ada", cart=[])
    asks = [Ask("POST", "/nap/put", token, {f"key{n}": n}) for n in range(TOGETHER)]
    answers = ask_at_once(site.server.port, asks)

    assert statuses(answers) == {200}
    assert browser.show()["data"] == {"cart": [], **{f"key{n}": n for n in range(TOGETHER)}}


def test_50_parallel_appends_and_counts_are_all_kept(site: Site) -> None:
    browser = site.browser()
    token = browser.log_in("ada", cart=[], n=0)
    appends = [Ask("POST", "/nap/append", token, {"item": n}) for n in range(TOGETHER)]
    counts = [Ask("POST", "/nap/increment", token) for _ in range(TOGETHER)]
    answers = ask_at_once(site.server.port, [ask for pair in zip(appends, counts, strict=True) for ask in pair])
    data = browser.show()["data"]

    assert statuses(answers) == {200}
    assert (sorted(data["cart"]), data["n"]) == ([*range(TOGETHER)], TOGETHER)


def test_a_log_out_among_parallel_writes_is_final(site: Site) -> None:
    browser = site.browser()
    token = browser.log_in("ada", cart=[])
    asks = [Ask("POST", "/nap/append", token, {"item": n}) for n in range(TOGETHER)]
    asks.insert(TOGETHER // 2, Ask("POST", "/do/logout", token))
    answers = ask_at_once(site.server.port, asks)

    # Whoever came after the end began a session anew, or was told; nobody continues the one that ended.
    late = [answer for answer in answers if answer.status == 401]
    assert statuses(answers) <= {200, 401}
    assert [answer.all("set-cookie") for answer in late] == [[]] * len(late)
    browser.token = token
    assert browser.show() == {"user": None, "status": "ended", "end_reason": "logout", "data": {}}


def test_200_users_at_once_each_get_their_own_session_and_no_other(site: Site) -> None:
    store = open_store(f"sqlite:///{site.folder}/sessions.sqlite3")
    manager = SessionManager(store, clock=lambda: _now(site))
    tokens = [_log_in(manager, f"user{n}") for n in range(USERS)]
    asks = [
        Ask("POST", "/nap/put", token, {"mine": f"user{n}"}) if n % 2 else Ask("GET", "/nap/show", token)
        for n, token in enumerate(tokens)
    ]
    answers = ask_at_once(site.server.port, asks)
    kept = [manager.open(token) for token in tokens]
    store.close()

    assert statuses(answers) == {200}
    assert [answer.one("set-cookie") for answer in answers] == [None] * USERS
    for n, (answer, session) in enumerate(zip(answers, kept, strict=True)):
        own = f"user{n}"
        assert session.user_id == own
        if n % 2:
            assert dict(session) == {"name": own, "mine": own}
        else:
            assert answer.json() == {"user": own, "status": "active", "end_reason": None, "data": {"name": own}}


def _log_in(manager: SessionManager, user: str) -> str:
    session = manager.anonymous()
    session.login(user)
    session["name"] = user
    reply = manager.commit(session)
    assert reply.token is not None
    return reply.token.reveal()


def _now(site: Site) -> int:
    return time.time_ns() // 1_000_000 + int((site.folder / "clock").read_text())
