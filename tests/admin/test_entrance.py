"""The entrance of /admin: keys, wrong ones, the operator's own session, and what other sites and strangers get."""

from __future__ import annotations

import hmac
from pathlib import Path

import pytest

from sojourn.admin.admin_pages import HEADERS, POLICY, AdminPages
from sojourn.admin.throttle import MOST_ADDRESSES, Throttle
from sojourn.service.keys import changing_keys, find_key, rotate_key

from .office import Answer, Office, Visitor

PLACES = [
    "",
    "/sessions",
    f"/sessions/{'0' * 32}",
    "/end?everything=yes",
    "/keys",
    "/keys/revoke?id=1",
    "/policy",
    "/x",
]


@pytest.mark.parametrize("place", PLACES)
async def test_a_stranger_is_shown_the_way_in_and_nothing_else(office: Office, place: str) -> None:
    id, _ = await office.log_in("grace")
    visitor = Visitor(office.pages)

    seen = await visitor.get(f"/admin{place}")
    done = await visitor.post("/admin/end", id=id)

    assert (seen.status, done.status) == (303, 303)
    assert seen.place.startswith("/admin/sign-in")
    assert seen.text == ""
    assert await is_live(office, id)


async def test_a_key_opens_the_page_that_was_asked_for(office: Office) -> None:
    visitor = Visitor(office.pages)
    asked = await visitor.get("/admin/sessions?user=ada&state=any")
    form = await visitor.get(asked.place)
    entered = await visitor.post("/admin/sign-in", key=office.key, next="/admin/sessions?user=ada&state=any")

    assert 'name="next" value="/admin/sessions?user=ada&amp;state=any"' in form.text
    assert entered.place == "/admin/sessions?user=ada&state=any"
    assert (await visitor.get(entered.place)).status == 200


@pytest.mark.parametrize("place", ["https://evil.example/", "//evil.example", "/admin.evil", "/admin/\\evil", "x"])
async def test_a_way_out_of_the_pages_is_not_taken_after_the_sign_in(office: Office, place: str) -> None:
    answer = await Visitor(office.pages).post("/admin/sign-in", key=office.key, next=place)

    assert answer.place == "/admin"


async def test_the_cookie_is_strict_and_the_session_short(office: Office) -> None:
    visitor = await office.enter()
    cookie = (await Visitor(office.pages).post("/admin/sign-in", key=office.key)).headers["set-cookie"]

    assert cookie.startswith("__Host-sojourn-admin=sj1-")
    assert {"Secure", "HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    office.now += int(POLICY.idle_timeout * 1000)
    over = await visitor.get("/admin")
    assert (over.status, over.place) == (303, "/admin/sign-in")
    assert "You were signed out: idle timeout." in (await visitor.get(over.place)).words


async def test_work_does_not_keep_an_operator_in_beyond_four_hours(office: Office) -> None:
    visitor = await office.enter()
    for _ in range(4 * 8 - 1):
        office.now += 450_000
        assert (await visitor.get("/admin/policy")).status == 200
    office.now += 450_000

    assert (await visitor.get("/admin/policy")).status == 303


async def test_a_key_of_another_scope_a_wrong_one_and_a_token_are_refused_alike(office: Office) -> None:
    other = office.add_key("web", "sessions", "admin", "verify", "metrics")
    _, token = await office.log_in("grace")
    wrong = office.key[:-1] + ("0" if office.key[-1] != "0" else "1")
    visitor = Visitor(office.pages)

    answers = [await visitor.post("/admin/sign-in", key=key) for key in (other, wrong, token, "", "sjk1-x", "é" * 99)]

    assert {answer.status for answer in answers} == {401}
    assert len({answer.text for answer in answers}) == 1
    assert visitor.cookies == {}


async def test_the_hash_of_a_key_is_compared_in_constant_time(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    real = hmac.compare_digest

    def counted(one: str, other: str) -> bool:
        compared.append(len(one))
        return real(one, other)

    monkeypatch.setattr("sojourn.service.keys.hmac.compare_digest", counted)
    wrong = office.key[:-64] + "0" * 64
    await Visitor(office.pages).post("/admin/sign-in", key=wrong)

    assert compared == [64]


async def test_after_ten_wrong_keys_in_a_minute_an_address_waits_and_others_do_not(office: Office) -> None:
    clock = [0.0]
    office.desk.throttle = Throttle(clock=lambda: clock[0])
    guesser, honest = Visitor(office.pages), Visitor(office.pages, address="192.0.2.2")
    wrong = [await guesser.post("/admin/sign-in", key="sjk1-no") for _ in range(10)]
    late = await guesser.post("/admin/sign-in", key=office.key)
    elsewhere = await honest.post("/admin/sign-in", key=office.key)
    clock[0] = 61.0
    again = await guesser.post("/admin/sign-in", key=office.key)

    assert {answer.status for answer in wrong} == {401}
    assert (late.status, elsewhere.status, again.status) == (429, 303, 303)


def test_a_throttle_keeps_so_many_addresses_and_no_more() -> None:
    throttle = Throttle(most=1)
    for n in range(MOST_ADDRESSES + 1):
        throttle.miss(str(n))

    assert not throttle.refuses("0")
    assert throttle.refuses("1")
    assert len(throttle._misses) == MOST_ADDRESSES


async def test_who_guesses_at_the_step_up_is_counted_too(office: Office) -> None:
    visitor = await office.enter()
    answers = [await visitor.post("/admin/end", everything="yes", key="sjk1-no") for _ in range(11)]

    assert [answer.status for answer in answers] == [401] * 11
    assert "Too many wrong keys" in answers[-1].words
    assert office.desk.acts.sweep is None


@pytest.mark.parametrize("how", ["revoked", "rotated"])
async def test_with_its_key_a_session_ends(office: Office, how: str) -> None:
    visitor = await office.enter()
    office.now += 1000
    with changing_keys(office.path) as keys:
        key = find_key(keys, office.key.split("-")[1])
        assert key is not None
        keys.remove(key)
        if how == "rotated":
            keys.append(rotate_key(key, 0, office.now, lambda n: b"x" * n)[0])
    office.desk.operators._keys._check()  # type: ignore[attr-defined]  # which it does twice a second

    assert (await visitor.get("/admin")).status == 303
    assert (await visitor.get("/admin")).status == 303


async def test_signed_out_is_signed_out(office: Office) -> None:
    visitor = await office.enter()
    kept = dict(visitor.cookies)
    await visitor.post("/admin/sign-out")
    visitor.cookies = kept

    assert (await visitor.get("/admin")).place == "/admin/sign-in"


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(
    "path", ["/admin/end", "/admin/keys", "/admin/keys/revoke", "/admin/sign-in", "/admin/sign-out"]
)
async def test_another_site_can_do_nothing_with_an_operator_s_cookie(office: Office, path: str, site: str) -> None:
    visitor = await office.enter()
    id, _ = await office.log_in("grace")
    answer = await visitor.post(path, site=site, id=id, key=office.key, name="evil", scope="sessions")

    assert answer.status == 403
    assert await is_live(office, id)
    assert b"evil" not in office.path.read_bytes()
    assert (await visitor.get("/admin")).status == 200


async def test_nothing_is_done_by_get(office: Office) -> None:
    visitor = await office.enter()
    id, _ = await office.log_in("grace")
    before = office.path.read_bytes()
    for path in (f"/admin/end?id={id}", "/admin/end?user=grace", f"/admin/end?everything=yes&key={office.key}"):
        assert (await visitor.get(path)).status == 200
    await visitor.get(f"/admin/keys/revoke?id={office.key.split('-')[1]}")
    await visitor.get("/admin/sign-out")

    assert await is_live(office, id)
    assert office.desk.acts.sweep is None
    assert office.path.read_bytes() == before
    assert (await visitor.get("/admin")).status == 200


async def test_every_answer_keeps_scripts_frames_and_caches_out(office: Office) -> None:
    visitor = await office.enter()
    paths = ["", "/sessions", "/keys", "/policy", "/end?everything=yes", "/nothing", "/static/admin.css", "/sign-out"]
    answers: list[Answer] = [await visitor.get(f"/admin{path}") for path in paths]
    answers += [await visitor.post("/admin/end", site="cross-site"), await Visitor(office.pages).get("/admin")]

    for answer in answers:
        assert dict(HEADERS).items() <= answer.headers.items()
    policy = dict(HEADERS)["content-security-policy"]
    assert "unsafe" not in policy
    assert {"default-src 'none'", "frame-ancestors 'none'"} <= set(policy.split("; "))
    assert not any(" style=" in answer.text or "<script" in answer.text for answer in answers)


async def test_a_form_of_another_kind_or_without_measure_is_refused(office: Office) -> None:
    visitor = await office.enter()
    large = await visitor.post("/admin/end", id="0" * 20_000)
    many = await visitor.post("/admin/end", **{f"n{n}": "" for n in range(40)})
    other = await visitor.ask("POST", "/admin/end")

    assert (large.status, many.status, other.status) == (400, 400, 400)
    assert (await visitor.ask("PUT", "/admin/end")).status == 405


async def test_a_name_that_was_made_to_lead_here_is_not_answered(office: Office, tmp_path: Path) -> None:
    pages = AdminPages(office.desk, office.manager, hosts=["localhost:8200"])
    visitor = Visitor(pages)

    assert (await visitor.ask("GET", "/admin/sign-in", host="evil.example:8200")).status == 421
    assert (await visitor.ask("GET", "/admin/sign-in", host="localhost:8200")).status == 200


async def is_live(office: Office, id: str) -> bool:
    session = await office.manager.get(id)
    return session is not None and session.end_reason is None
