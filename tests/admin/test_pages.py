"""What the pages show and do: searches, a life, ends and who did them, keys, and no secret and no stranger's markup."""

from __future__ import annotations

import asyncio
import logging
import re
from html import unescape

import pytest

from sojourn.admin.census import DAY, HOUR, SessionCounts
from sojourn.admin.life import happenings
from sojourn.admin.markup import bdi, element, prose
from sojourn.admin.search import AT_ONCE, PAGE, STEP, Matches, Searches, Wanted, search
from sojourn.core.errors import StoreUnavailable
from sojourn.core.record import Client, Record, Secrets

from .office import NOW, Office

MINUTE = 60_000
EVIL = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'"
SECRET = re.compile("sj1-[0-9a-f]|sjk1-[0-9a-f]|sesame")


def test_text_is_escaped_and_markup_is_not() -> None:
    made = element("a", "<b>", bdi('"&'), None, ["x", element("br")], href='"><x', hidden=True, title=None, open=False)

    assert made == '<a href="&quot;&gt;&lt;x" hidden>&lt;b&gt;<bdi>&quot;&amp;</bdi>x<br></br></a>'
    assert prose("run `<x>` now") == "run <code>&lt;x&gt;</code> now"


async def test_what_strangers_wrote_is_text_on_every_page(office: Office) -> None:
    id, _ = await office.log_in(EVIL, Client(EVIL, EVIL))
    office.add_key(EVIL, "sessions")
    visitor = await office.enter()
    pages = [
        await visitor.get(path, **query)
        for path, query in [
            ("/admin/sessions", {"user": EVIL}),
            ("/admin/sessions", {"device": EVIL, "state": "any", "id": "", "address": ""}),
            ("/admin/sessions", {"address": EVIL, "id": EVIL, "state": EVIL, "after": EVIL}),
            (f"/admin/sessions/{id}", {}),
            ("/admin/end", {"user": EVIL, "keep": EVIL}),
            ("/admin/end", {"id": EVIL}),
            ("/admin/keys", {}),
            ("/admin/sign-in", {"code": EVIL, "next": EVIL}),
            (f"/admin/{EVIL}", {}),
        ]
    ]
    pages.append(await visitor.post("/admin/keys", name=EVIL, key="wrong", scope="sessions"))
    pages.append(await visitor.post("/admin/end", user=EVIL))
    pages.append(await visitor.get(pages[-1].place))

    assert [page for page in pages if "<script" in page.text or "<img src=x" in page.text] == []
    assert EVIL in pages[0].words
    assert "1 session ended." in pages[-1].words


async def test_no_page_that_is_read_holds_a_token_a_key_or_a_value_of_a_session(office: Office) -> None:
    id, token = await office.log_in("grace")
    office.add_key("web", "sessions")
    visitor = await office.enter()
    paths = ["", "/sessions", "/sessions?user=grace", f"/sessions/{id}", f"/end?id={id}", "/end?user=grace"]
    paths += ["/end?everything=yes", "/keys", f"/keys/revoke?id={office.key.split('-')[1]}", "/policy", "/sign-in"]
    texts = [(await visitor.get(f"/admin{path}")).text for path in paths]
    pasted = [await visitor.get("/admin/sessions", **{name: token}) for name in ("id", "user", "device")]
    texts += [answer.text for answer in pasted]

    assert [text for text in texts if SECRET.search(text)] == []
    assert token[-64:] not in "".join(texts)
    assert visitor.cookies["__Host-sojourn-admin"] not in "".join(texts)
    assert all("a secret, and no id" in answer.words for answer in pasted)
    assert "secret note (8 bytes)" in texts[3]


async def test_the_numbers_are_those_of_the_store_and_of_no_other_realm(office: Office) -> None:
    for user in ("ada", "grace", None):
        await office.log_in(user)
    id, _ = await office.log_in("grace")
    await office.manager.revoke(id, "logout")
    visitor = await office.enter()

    words = (await visitor.get("/admin")).words

    assert "Live3sessions now" in words
    assert "Logged in2of the live ones" in words
    assert "Log-ins3in 24 h; 3 in the last hour" in words
    assert "Ends1in 24 h" in words
    assert "logged out11" in words


def test_each_moment_is_counted_in_its_bar_and_an_end_that_a_log_in_made_in_none() -> None:
    counts = SessionCounts(NOW)
    for at in (
        NOW,
        NOW - 5 * MINUTE,
        NOW - 59 * MINUTE,
        NOW - 61 * MINUTE,
        NOW - 23 * 60 * MINUTE,
        NOW - 1500 * MINUTE,
    ):
        counts.add(record(authenticated_at=at, ended_at=at, end_reason="logout"))
    counts.add(record(ended_at=NOW, end_reason="replaced"))
    counts.add(record(seen_at=NOW - 40 * MINUTE))

    assert (counts.logins[HOUR][0], counts.logins[HOUR][10], counts.logins[HOUR][11]) == (1, 1, 1)
    assert (sum(counts.logins[HOUR]), sum(counts.logins[DAY])) == (3, 5)
    # The one that ran out ten minutes ago; that of a log-in is in none.
    assert counts.ends[HOUR] == [each + (n == 9) for n, each in enumerate(counts.logins[HOUR])]
    assert counts.reasons[HOUR] == {"logout": 3, "replaced": 1, "idle_timeout": 1}
    assert (counts.live, counts.ended) == (0, 8)


async def test_a_search_finds_by_user_id_address_device_and_reason(office: Office) -> None:
    phone = Client("2001:db8::1", "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Safari/604.1")
    one, _ = await office.log_in("ada")
    two, _ = await office.log_in("grace", phone)
    over, _ = await office.log_in("ada")
    await office.manager.revoke(over)

    async def found(**wanted: str) -> set[str]:
        page = await whole(office, Wanted(**wanted))
        assert page.after is None
        return {session.id for session in page.sessions}

    assert await found() == {one, two}
    assert await found(user="ada") == {one}
    assert await found(user="ada", state="any") == {one, over}
    assert await found(user="ada", address="2001:db8::/32") == set()
    assert await found(id=two[:6]) == await found(id=two) == {two}
    assert await found(id=two, user="ada") == set()
    assert await found(address="2001:db8::/32") == {two}
    assert await found(device="IPHONE") == {two}
    assert await found(state="revoked") == await found(state="ended") == {over}


@pytest.mark.parametrize("wanted", [{"user": "ada"}, {"state": "any"}, {"address": "203.0.113.0/24"}])
async def test_pages_of_a_search_go_on_where_the_last_one_stopped(office: Office, wanted: dict[str, str]) -> None:
    office.manager.policy.__dict__["max_sessions"] = None
    ids = {(await office.log_in("ada"))[0] for _ in range(2 * PAGE + 3)}
    sizes, seen, after = [], [], ""
    while True:
        page = await whole(office, Wanted(**wanted), after)
        sizes.append(len(page.sessions))
        seen += [session.id for session in page.sessions]
        if page.after is None:
            break
        after = page.after

    assert sizes == [PAGE, PAGE, 3]
    assert len(seen) == len(ids) == len(set(seen))
    visitor = await office.enter()
    first = await visitor.get("/admin/sessions", **wanted)
    following = re.search(r'href="(/admin/sessions\?[^"]*after=[^"]*)"[^>]*>Next page', first.text)
    assert following
    assert "50 sessions on this page." in (await visitor.get(following[1].replace("&amp;", "&"))).words


async def test_a_long_search_goes_on_by_itself_and_says_how_far_it_is(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = asyncio.Event()
    pages = [[record(id=f"{n:032x}", user_id="ada") for n in range(16**31, 16**31 + STEP)], []]

    async def slowly(after: str, limit: int) -> list[Record]:
        if after:
            await gate.wait()
        return pages.pop(0)

    monkeypatch.setattr(office.store, "scan", slowly)
    visitor = await office.enter()
    query = {"address": "198.51.100.1", "state": "any"}
    monkeypatch.setattr("sojourn.admin.search.WAIT", 0.05)
    first = await visitor.get("/admin/sessions", **query)
    monkeypatch.setattr("sojourn.admin.search.WAIT", 60)
    gate.set()
    second = await visitor.get("/admin/sessions", **query)

    assert "The store is being read: 0 sessions so far, 6% of it passed." in first.words
    assert "Look again" in first.words
    assert "No session is like that." in second.words
    assert office.desk.searches._tasks == {}


async def test_of_many_searches_at_once_the_one_longest_ago_ends(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(after: str, limit: int) -> list[Record]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(office.store, "scan", never)
    monkeypatch.setattr("sojourn.admin.search.WAIT", 0)
    searches = Searches(office.store, "", office.clock)
    for n in range(AT_ONCE + 2):
        await searches.look(Wanted(device=str(n)), "")

    assert [wanted.device for wanted, _ in searches._tasks] == [str(n) for n in range(2, AT_ONCE + 2)]
    await searches.close()
    assert searches._tasks == {}


@pytest.mark.parametrize("wanted", [{"address": "nowhere"}, {"id": "xyz"}, {"state": "gone"}])
async def test_a_search_that_cannot_be_is_told_what_to_write(office: Office, wanted: dict[str, str]) -> None:
    visitor = await office.enter()
    answer = await visitor.get("/admin/sessions", **wanted)

    assert answer.status == 400
    assert re.search("Write an address like|An id is 32 hex digits|Choose one of the states", answer.words)


def test_a_life_is_told_in_order_and_what_is_due_comes_last() -> None:
    lived = record(authenticated_at=NOW + 2, seen_at=NOW + 3 * MINUTE, secrets=Secrets(b"", b"", NOW + MINUTE))
    live = [each.what for each in happenings(lived, NOW + 4 * MINUTE)]
    over = happenings(lived, NOW + 60 * MINUTE)

    assert live == ["Began", "Logged in", "Secret renewed", "Last seen", "Ends, if nobody comes", "Ends at the latest"]
    assert (over[-1].what, over[-1].more, over[-1].at) == ("Ended", "idle timeout", NOW + 33 * MINUTE)


async def test_a_session_of_another_realm_and_none_are_not_found(office: Office) -> None:
    visitor = await office.enter()
    own = visitor.cookies["__Host-sojourn-admin"].split("-")[1]

    assert (await visitor.get(f"/admin/sessions/{own}")).status == 404
    assert (await visitor.get(f"/admin/sessions/{'0' * 32}")).status == 404
    assert own[:12] not in (await visitor.get("/admin/sessions?state=any")).text


async def test_each_end_asks_counts_and_says_who_did_it(office: Office, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "sojourn.admin")
    visitor = await office.enter()
    ids = [(await office.log_in("grace"))[0] for _ in range(4)]
    await office.log_in("alan")

    one = await visitor.get("/admin/end", id=ids[0])
    assert "It is live." in one.words
    assert "It is logged as done by ada" in one.words
    await visitor.post("/admin/end", id=ids[0])
    again = await visitor.get("/admin/end", id=ids[0])
    assert "nothing would be ended" in again.words
    others = await visitor.get("/admin/end", user="grace", keep=ids[1])
    assert "2 sessions would be ended" in others.words
    done = await visitor.post("/admin/end", user="grace", keep=ids[1])
    assert "2 sessions ended." in (await visitor.get(done.place)).words
    await visitor.post("/admin/end", user="grace")
    everything = await visitor.get("/admin/end", everything="yes")
    assert "1 session was live" in everything.words
    await visitor.post("/admin/end", everything="yes", key=office.key)
    while office.desk.acts._task:
        await asyncio.sleep(0)

    assert "End of everything: done. 1 ended." in (await visitor.get("/admin")).words
    told = [record.__dict__["told"] for record in caplog.records if record.name == "sojourn.admin"]
    assert [(each["what"], each["ended"], each["by_name"]) for each in told] == [
        ("session", 1, "ada"),
        ("sessions of a user", 2, "ada"),
        ("sessions of a user", 1, "ada"),
        ("every session", 1, "ada"),
    ]
    by = f"key:{office.key.split('-')[1]}"
    assert {each["by"] for each in told} == {by}
    ends = [each for each in office.told() if each["what"] in ("ended", "revoked_all")]
    assert {(each["by"], each["address"]) for each in ends} == {(by, "192.0.2.1")}
    assert sum(each["what"] == "ended" for each in ends) == 5


async def test_the_audit_shows_the_newest_first_and_goes_on_where_a_page_stopped(office: Office) -> None:
    visitor = await office.enter()
    trail = office.desk.trail
    assert trail is not None
    trail.note("asked", by=f"session:{'ab' * 16}")
    trail.note("role_given", by="application:<i>", user_id="<i>ada", roles=["editor", "<u>"])
    for number in range(60):
        trail.note("role_given", by="application", user_id="grace", number=number)
    first = await visitor.get("/admin/audit")
    older = re.search('href="([^"]*before=[^"]*)"', first.text)
    assert older is not None
    rest = await visitor.get(unescape(older[1]))
    ada = await visitor.get("/admin/audit", user="<i>ada")

    assert "50 entries on this page, the newest first." in first.words
    assert first.words.index("number 59") < first.words.index("number 10")
    assert ("number 9" in rest.words, "number 10" in rest.words) == (True, False)
    assert "That is the end." in rest.words
    assert "roles editor, <u>" in rest.words
    assert (
        'session <a href="/admin/sessions/abababababababababababababababab"><code>abababababab</code></a>' in rest.text
    )
    assert not re.search("<[iu]>", rest.text + ada.text)
    assert "1 entry on this page" in ada.words
    assert "0 entries on this page" in (await visitor.get("/admin/audit", before="x", user="nobody")).words


async def test_everything_is_ended_by_whose_session_it_is_alone(office: Office) -> None:
    other = office.add_key("grace", "operator")
    visitor = await office.enter()
    answer = await visitor.post("/admin/end", everything="yes", key=other)

    assert answer.status == 401
    assert office.desk.acts.sweep is None


async def test_keys_are_made_once_shown_once_and_revoked(office: Office) -> None:
    visitor = await office.enter()
    made = await visitor.post("/admin/keys", name="shop", scope="sessions", key=office.key)
    text = re.search("sjk1-[0-9a-f]{8}-[0-9a-f]{64}", made.text)
    assert text
    assert office.desk.keys is not None
    assert ("shop", ("sessions",)) in [(key.name, key.scopes) for key in office.desk.keys.list()]
    taken = await visitor.post("/admin/keys", name="shop", scope="sessions", key=office.key)
    assert (taken.status, "has this name already" in taken.words) == (400, True)
    assert SECRET.search((await visitor.get("/admin/keys")).text) is None

    await visitor.post("/admin/keys/revoke", id=text[0].split("-")[1])
    assert [key.name for key in office.desk.keys.list()] == ["ada"]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"name": "me", "scope": "operator"}, 400),
        ({"name": "me", "scope": "sessions", "key": "wrong"}, 401),
        ({"name": "", "scope": "sessions"}, 400),
    ],
)
async def test_no_way_in_is_made_by_who_finds_the_page_open(
    office: Office, fields: dict[str, str], status: int
) -> None:
    visitor = await office.enter()
    answer = await visitor.post("/admin/keys", **({"key": office.key} | fields))

    assert answer.status == status
    assert office.desk.keys is not None
    assert [key.name for key in office.desk.keys.list()] == ["ada"]


async def test_a_store_that_does_not_answer_is_said_in_a_page(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    visitor = await office.enter()

    async def away(*_: object) -> None:
        raise StoreUnavailable("It is away.")

    monkeypatch.setattr(office.store, "scan", away)
    assert (await visitor.get("/admin/sessions")).status == 503
    assert "Counting: 0% of the sessions so far" in (await visitor.get("/admin")).words


async def whole(office: Office, wanted: Wanted, after: str = "") -> Matches:
    """A page of a search, however long it takes."""
    found = Matches(after)
    await search(office.store, "", wanted, found, office.clock)
    return found


def record(**members: object) -> Record:
    told: dict[str, object] = {
        "id": "0" * 32,
        "secrets": Secrets(b"", b"", NOW),
        "created_at": NOW,
        "seen_at": NOW,
        "idle_timeout": 30 * MINUTE,
        "absolute_expires_at": NOW + 720 * MINUTE,
    }
    return Record(**(told | members))  # type: ignore[arg-type]  # by their names
