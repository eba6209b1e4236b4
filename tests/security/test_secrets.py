"""Secrets stay secret: in the store, the log, the answers and the code (R24, R25, R36–R38; ASVS 7.2.3, 14.2.1, 16.2.5).

Besides these, every test in this folder ends with a search of the answers, the log, the events and the database file
for every secret that its sites issued (conftest.py).
"""

from __future__ import annotations

import ast
import logging
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

import sojourn
from sojourn import AsyncSessionManager, Policy, SessionExists, SojournError
from sojourn.core.problem import problem_of
from sojourn.core.token import mint, parse
from sojourn.stores.memory import AsyncMemoryStore
from tests.security.conftest import MakeSite
from tests.security.site import Clock, Site, cookie, log_in, token_of

SOURCE = Path(sojourn.__file__).parent


async def busy_day(site: Site) -> None:
    """A little of everything that issues, shows or refuses a token."""
    browser, bearer = site.browser(), {"sojourn-transport": "bearer"}
    await browser.post("/session/start", json={"data": {"theme": "dark"}})
    for _ in range(5):
        await log_in(browser, cart=["book"])
        site.clock.pass_seconds(61)
        await browser.get("/me")
        await browser.get("/session/sessions")
        await browser.post("/regenerate")
    stolen = token_of(browser)
    await browser.delete("/session/sessions")
    site.clock.pass_seconds(61)
    await browser.get("/me")
    await browser.get("/me")
    site.clock.pass_seconds(61)
    await browser.get("/me", headers=cookie(stolen))
    await browser.get("/private")
    await browser.patch("/session/", json={"set": {"theme": "x" * 40_000}})
    await browser.post("/login", headers=bearer, json={"user": "bob"})
    await browser.get("/me", headers=[*cookie(stolen), (b"authorization", b"Bearer " + stolen.encode())])
    await browser.post("/session/logout")


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_the_database_file_holds_no_token_and_no_secret(make_site: MakeSite) -> None:
    site = make_site(policy=Policy(rotate_interval=60, touch_interval=0), script_readable_tokens=True)
    await busy_day(site)

    assert site.path is not None
    files = {file.name.removeprefix(site.path.name): file.read_bytes() for file in site.path.parent.iterdir()}
    assert {"", "-wal"} <= files.keys()
    assert len(site.secrets) > 10
    for secret in site.secrets:
        for name, stored in files.items():
            assert secret not in stored, name
            assert bytes.fromhex(secret.decode()) not in stored, name
    assert not any(b"sj1-" in stored for stored in files.values())


@pytest.mark.parametrize("kind", ["sqlite"])
async def test_the_database_file_and_its_log_are_for_their_owner_alone(site: Site) -> None:
    await log_in(site.browser())

    assert site.path is not None
    assert {file.stat().st_mode & 0o777 for file in site.path.parent.glob("*.sqlite3*")} == {0o600}


async def test_no_log_answer_or_event_holds_a_secret(make_site: MakeSite, caplog: pytest.LogCaptureFixture) -> None:
    site = make_site(policy=Policy(rotate_interval=60, touch_interval=0), script_readable_tokens=True)
    await busy_day(site)

    assert logging.getLogger("sojourn").getEffectiveLevel() == logging.DEBUG
    assert any(body.startswith(b'{"type":"urn:sojourn:problem:') for _, body in site.answers)
    assert site.leaks(caplog.text) == []
    # And the search itself finds what it looks for.
    assert site.leaks(next(iter(site.secrets)).decode()) == ["the log"]


async def test_the_list_of_my_sessions_holds_ids_and_nothing_that_opens_one(site: Site) -> None:
    browser = site.browser()
    token = await log_in(browser)
    record = await site.store.get(token[4:36])
    assert record is not None

    text = (await browser.get("/session/sessions")).text

    assert token[4:36] in text
    assert not {"secret", "hash", "token"} & set(msgspec.json.decode(text)["sessions"][0])
    for part in (token, token[37:], record.secrets.current.hex(), msgspec.json.encode(record.secrets.current).decode()):
        assert part not in text


def test_whatever_holds_a_token_hides_it_when_printed() -> None:
    token = mint(None, os.urandom)

    for shown in (repr(token), str(token), f"{token}", repr([token]), repr({"t": token})):
        assert token.reveal() not in shown
        assert token.reveal()[37:] not in shown


async def test_a_reply_and_a_session_hide_the_token_when_printed() -> None:
    manager = AsyncSessionManager(AsyncMemoryStore())
    session = manager.anonymous()
    session.login("ada")
    reply = await manager.commit(session)

    assert reply.token is not None
    secret = reply.token.reveal()[37:]
    assert secret not in repr(reply)
    assert secret not in repr(session)
    assert secret not in repr(session._record)
    assert secret not in repr(vars(session))


def test_no_error_and_no_problem_has_a_place_for_a_token() -> None:
    def kinds(root: type[SojournError]) -> list[type[SojournError]]:
        return [root, *[kind for below in root.__subclasses__() for kind in kinds(below)]]

    arguments: dict[str, Any] = {
        "DataTooLarge": (2, 1),
        "SessionEnded": ("logout",),
        "SessionConflict": (("key",),),
        "SessionLimitReached": (3,),
        "ReauthenticationRequired": (60,),
        "ProofRefused": ("proof-required",),
        "StoreUnavailable": ("postgres://user:password@db did not answer",),
        "UnreadableRecord": ("0" * 32,),
    }
    for kind in kinds(SojournError):
        error = kind(*arguments.get(kind.__name__, ()))
        assert "sj1-" not in str(error)
        problem = problem_of(error)
        # What a driver says may name hosts, files and passwords: it is for the log.
        assert problem is None or b"password" not in problem.body()


def test_tokens_are_unique_random_and_long_enough() -> None:
    tokens = [mint("ada" if n % 2 else None, os.urandom) for n in range(20_000)]
    secrets = [bytes.fromhex(token.reveal()[37:]) for token in tokens]

    assert len({token.id for token in tokens}) == len(set(secrets)) == 20_000
    assert len(secrets[0]) * 8 == 256
    for position in range(32):
        counts = [0] * 256
        for secret in secrets:
            counts[secret[position]] += 1
        # Chi-squared with 255 degrees of freedom: over 400 once in 10**8 times.
        assert sum((count - 78.125) ** 2 / 78.125 for count in counts) < 400


def test_one_secret_of_a_session_says_nothing_of_the_next() -> None:
    """They are drawn, not derived: rotation asks the system for new bytes each time."""
    asked: list[int] = []

    def random(size: int) -> bytes:
        asked.append(size)
        return os.urandom(size)

    first = mint(None, random)
    second, third = first.renewed(random), first.renewed(random)

    assert asked == [48, 16, 16]
    assert len({first.hash, second.hash, third.hash}) == 3


async def test_a_source_of_randomness_that_repeats_itself_overwrites_no_session() -> None:
    manager = AsyncSessionManager(AsyncMemoryStore(), random=bytes, clock=Clock())
    for user in ("ada", "bob"):
        session = manager.anonymous()
        session["whose"] = user
        if user == "bob":
            with pytest.raises(SessionExists):
                await manager.commit(session)
        else:
            await manager.commit(session)

    assert [session.data for session in await manager.scan()] == [{"whose": "ada"}]


async def test_a_store_is_asked_by_public_id_only(site: Site) -> None:
    """So how long its index takes tells nothing of a secret."""
    asked: list[Any] = []
    get = site.store.get

    async def note(id: str) -> Any:
        asked.append(id)
        return await get(id)

    token = await log_in(site.browser())
    site.store.get = note  # type: ignore[method-assign]  # a real store, overheard
    await site.browser().get("/me", headers=cookie(token))
    await site.browser().get("/me", headers=cookie(token[:37] + "0" * 64))
    await site.browser().get("/me", headers=cookie("nonsense"))

    assert asked == [token[4:36]] * 2


# Where secrets' hashes may be told apart by == all the same, and why no timing can tell anything there.
NOT_AGAINST_A_STRANGER = {
    ("rotation.py", "promote"): "the shown one was found by compare_digest just before",
    ("renewal_key.py", "prove_kept"): "the same",
    ("commit.py", "nothing_due"): "the same",
    ("commit.py", "_plan_rotation"): "the same",
    ("commit.py", "plan_commit"): "keys, which are public",
    ("commit.py", "is_upkeep"): "the same",
    ("outcome.py", "_committed"): "what was written, by ourselves",
    ("binding.py", "offer"): "two times",
    ("apply.py", "changed"): "two records of ours",
    ("copy.py", "plan_copy"): "the same",
    ("copy.py", "_commits"): "the same",
    ("session.py", "_go_on"): "ids, which are public",
    ("lazy_exchange.py", "take_over"): "the same",
    ("lazy_exchange.py", "token_to_open_by"): "the same",
    ("identity.py", "_hash_of_old_key"): "a hash of the session's own, against the user's",
    ("verification.py", "finish"): "the hash of an audit entry, which is public",
    ("verification.py", "_compare"): "the same",
}
# No stranger asks them.
PROGRAMS = {"cli", "demo", "doctor", "testing", "torture"}
SECRET_WORDS = {"hash", "secret", "secrets", "_secret", "shown", "_shown", "digest", "token"}


def _names(node: ast.AST) -> set[str]:
    return {getattr(part, "attr", getattr(part, "id", "")) for part in ast.walk(node)}


def _compared_plainly(path: Path) -> set[tuple[str, str]]:
    found = set()
    for function in ast.walk(ast.parse(path.read_text())):
        if not isinstance(function, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for node in ast.walk(function):
            if not isinstance(node, ast.Compare) or not any(
                isinstance(how, (ast.Eq, ast.NotEq, ast.In, ast.NotIn)) for how in node.ops
            ):
                continue
            # A word in quotes or a number is no secret.
            sides = [side for side in (node.left, *node.comparators) if not isinstance(side, ast.Constant)]
            if len(sides) > 1 and any(_names(side) & SECRET_WORDS for side in sides):
                found.add((path.name, function.name))
    return found


def test_a_secret_that_a_stranger_shows_is_compared_by_compare_digest_only() -> None:
    core = [path for path in SOURCE.rglob("*.py") if not PROGRAMS & set(path.parts)]

    found = set().union(*map(_compared_plainly, core))

    assert found <= NOT_AGAINST_A_STRANGER.keys()
    which = next(
        node
        for node in ast.walk(ast.parse((SOURCE / "core" / "rotation.py").read_text()))
        if isinstance(node, ast.FunctionDef) and node.name == "which"
    )
    assert ast.unparse(which).count("compare_digest(") == 4


def test_nothing_in_the_package_loads_code_from_data_or_draws_predictable_numbers() -> None:
    forbidden = {"pickle", "marshal", "shelve", "dill", "yaml", "random", "uuid"}
    for path in SOURCE.rglob("*.py"):
        if PROGRAMS & set(path.parts):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                names = {(node.module or "").partition(".")[0]} if node.level == 0 else set()
            elif isinstance(node, ast.Call):
                names = {getattr(node.func, "id", "")} & {"eval", "exec", "compile", "__import__"}
                assert not names, f"{path}:{node.lineno}"
                continue
            else:
                continue
            assert not names & forbidden, path


def test_the_client_is_told_of_its_messages_by_its_own_origin_only() -> None:
    """BroadcastChannel is same-origin by itself; postMessage would need a check (ASVS 3.5.5)."""
    client = "".join(path.read_text() for path in sorted((SOURCE / "browser/static").iterdir()))

    for target in ("window", "parent", "opener", "top", "globalThis", "self"):
        assert f"{target}.postMessage" not in client
        assert f'{target}.addEventListener("message"' not in client
    for word in ("eval(", "innerHTML", "document.write", "new Function"):
        assert word not in client


def test_a_token_is_read_from_nothing_but_its_exact_shape() -> None:
    token = mint(None, os.urandom).reveal()

    assert parse(token) is not None
    for position in range(len(token)):
        for other in "\0\n ZGg%\u0661":
            changed = token[:position] + other + token[position + 1 :]
            assert parse(changed) is None, repr(changed[position])
