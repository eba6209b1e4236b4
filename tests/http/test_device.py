"""Sessions in cookies that a browser binds to a key of its own (DBSC): every integration, and what must be refused."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.http.browser import COOKIE, Answer
from tests.http.conftest import RedisSite
from tests.http.site import Site
from tests.keys import Key, RSAKey, device_proof

ORIGIN = "https://shop.test"
ATTRIBUTES = {"Path=/", "Secure", "HttpOnly", "SameSite=Lax"}
REGISTER, REFRESH = "/session/dbsc/register", "/session/dbsc/refresh"


class Device:
    """A browser with a key of its own. `bound` are its bound cookies, by name; `of` is what its session is named."""

    def __init__(self, site: Site, key: Key | RSAKey | None = None) -> None:
        self.browser = site.browser()
        self.key = key or Key()
        self.bound: dict[str, str] = {}
        self.challenge = self.of = ""

    def __call__(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        answer = self.browser(method, path, body, {"Cookie": self.cookies(), **headers})
        for line in answer.all("set-cookie"):
            pair, *attributes = line.split("; ")
            name, _, value = pair.partition("=")
            if name != COOKIE:
                assert set(attributes) > ATTRIBUTES, line
                self.bound.pop(name, None)
                if "Max-Age=0" not in attributes:
                    assert {*attributes} == ATTRIBUTES | {"Max-Age=600"}
                    self.bound[name] = value
        found = re.fullmatch('"(.*)";id="(.*)"', answer.one("secure-session-challenge") or "")
        if found is not None:
            self.challenge, self.of = found.groups()
        return answer

    def cookies(self) -> str:
        return "; ".join([f"{name}={value}" for name, value in {COOKIE: self.browser.token, **self.bound}.items()])

    def log_in(self, user: str = "ada") -> str:
        """The challenge with which it may register its key."""
        answer = self("POST", "/do/login", {"user": user})
        assert answer.status == 200
        offered = answer.one("secure-session-registration") or ""
        found = re.fullmatch(r'\(ES256 RS256\);path="/session/dbsc/register";challenge="(.*)"', offered)
        assert found is not None, offered
        assert "no-store" in (answer.one("cache-control") or "")  # PHP itself says more
        return found[1]

    def register(self, challenge: str | None, **claims: Any) -> Answer:
        proof = device_proof(self.key, challenge, register=True, **claims)
        return self("POST", REGISTER, **{"Secure-Session-Response": proof, "Content-Length": "0"})

    def refresh(self, proof: str | None = None, of: str | None = None) -> Answer:
        """With what Chromium sends: a proof of its challenge, if it has one."""
        if proof is None and self.challenge:
            proof = device_proof(self.key, self.challenge, register=False)
        shown = {} if proof is None else {"Secure-Session-Response": proof}
        return self("POST", REFRESH, **{"Sec-Secure-Session-Id": of or self.of, "Content-Length": "0", **shown})

    def user(self) -> Any:
        return self("GET", "/see/show").json()["user"]


def begin(site: Site, key: Key | RSAKey | None = None, user: str = "ada") -> Device:
    """One whose session is bound."""
    device = Device(site, key)
    answer = device.register(device.log_in(user))
    assert answer.status == 200, answer
    assert answer.one("cache-control") == "no-store"
    return device


def refused(answer: Answer, status: int = 401) -> str:
    assert answer.status == status, answer
    assert answer.one("cache-control") == "no-store"
    assert not [line for line in answer.all("set-cookie") if "Max-Age=0" not in line]
    return answer.problem


def gives_up(answer: Answer) -> bool:
    """Whether the browser is told to forget that its session was bound, and is given nothing."""
    assert answer.all("set-cookie") == []
    return answer.status == 200 and answer.json()["continue"] is False


@pytest.mark.parametrize("make", [Key, RSAKey])
def test_a_browser_registers_its_key_and_goes_on_with_bound_cookies(bound_site: Site, make: type[Key]) -> None:
    device = Device(bound_site, make())
    challenge = device.log_in()
    [first] = device.bound.items()
    answer = device.register(challenge)
    told = answer.json()

    assert told["scope"] == {"origin": ORIGIN, "include_site": False, "scope_specification": []}
    assert told["refresh_url"] == REFRESH
    assert told["session_identifier"] == device.of
    [credential] = told["credentials"]
    assert {*credential["attributes"].split("; ")} == ATTRIBUTES
    assert (credential["type"], credential["name"]) == ("cookie", first[0])
    assert device.user() == "ada"
    # The one before is good until its own end: requests are on their way with it.
    device.bound = dict([first])
    assert device.user() == "ada"
    bound_site.pass_seconds(500)
    assert device.refresh().json() == told
    assert device.user() == "ada"
    bound_site.pass_seconds(500)
    assert device.user() == "ada"


def test_the_cookie_alone_opens_nothing_and_ends_nothing(bound_site: Site) -> None:
    device = begin(bound_site)
    thief = bound_site.browser()
    for path in ("/see/show", "/session/", "/session/sessions"):
        assert refused(thief.get(path, Cookie=f"{COOKIE}={device.browser.token}")) == "proof-required"
    bearer = {"Authorization": f"Bearer {device.browser.token}"}
    assert refused(thief.get("/see/show", **bearer)) == "proof-required"
    posted = thief.post("/session/logout", {}, Cookie=f"{COOKIE}={device.browser.token}")
    assert refused(posted) == "proof-required"

    assert device.user() == "ada"


def test_a_bound_cookie_is_good_for_its_session_and_its_time_alone(bound_site: Site) -> None:
    device, other = begin(bound_site), begin(bound_site, user="eve")
    [name], [value] = device.bound, other.bound.values()
    mine, stranger = device.bound[name], bound_site.browser()
    for wrong in (value, mine[:-1] + ("A" if mine[-1] != "A" else "B"), f"9{mine}", "", "1", "9" * 20 + ".x"):
        device.bound = {name: wrong}
        assert refused(stranger.get("/see/show", Cookie=device.cookies())) == "proof-required"
    device.bound = other.bound
    assert refused(stranger.get("/see/show", Cookie=device.cookies())) == "proof-required"

    device.bound = {name: mine}
    for _ in range(2):
        bound_site.pass_seconds(350)
        assert device.user() == "ada"
    bound_site.pass_seconds(25)
    assert refused(device("GET", "/see/show")) == "proof-required"


def test_a_bound_cookie_of_other_letters_is_none(bound_site: Site) -> None:
    device = begin(bound_site)
    device.bound = dict.fromkeys(device.bound, "1.é")

    assert refused(bound_site.browser().get("/see/show", Cookie=device.cookies())) == "proof-required"


def test_who_has_the_key_and_no_good_challenge_is_given_one(bound_site: Site) -> None:
    device, other = begin(bound_site), begin(bound_site, user="eve")
    used = device.challenge
    assert device.refresh().status == 200
    for challenge, flaw in [
        (other.challenge, "proof-stale-nonce"),
        (used, "proof-replayed"),
        ("x", "proof-stale-nonce"),
    ]:
        answer = device.refresh(device_proof(device.key, challenge, register=False))
        assert refused(answer, 403) == flaw
        assert device.challenge != challenge
    device.challenge = ""
    assert refused(device.refresh(), 403) == "proof-required"
    old = device.challenge
    device.challenge = ""
    assert refused(device.refresh(), 403) == "proof-required"
    for _ in range(2):
        bound_site.pass_seconds(451)
        assert device.refresh().status == 200
        assert device.user() == "ada"
    stale = device.refresh(device_proof(device.key, old, register=False))
    assert refused(stale, 403) == "proof-stale-nonce"
    assert device.refresh().status == 200


def test_a_challenge_is_good_once_in_all_processes(bound_site: Site) -> None:
    device = begin(bound_site)
    proof = device_proof(device.key, device.challenge, register=False)
    headers = {"Secure-Session-Response": proof, "Sec-Secure-Session-Id": device.of, "Content-Length": "0"}
    browsers = [bound_site.browser(Cookie=device.cookies()) for _ in range(12)]
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda browser: browser.post(REFRESH, **headers).status, browsers))

    assert sorted(answers) == [200] + [403] * 11


@pytest.mark.parametrize(
    ("header", "claims", "flaw"),
    [
        ({"typ": "dpop+jwt"}, {}, "proof-type"),
        ({"typ": None}, {}, "proof-type"),
        ({"alg": "none"}, {}, "proof-algorithm"),
        ({"alg": "HS256"}, {}, "proof-algorithm"),
        ({"alg": "RS256"}, {}, "proof-algorithm"),
        ({"crit": ["b64"]}, {}, "proof-malformed"),
        ({"jwk": Key().jwk}, {}, "proof-other-key"),
        ({}, {"jti": 1}, "proof-malformed"),
        ({}, {"aud": "https://evil.test/session/dbsc/refresh"}, "proof-url"),
    ],
)
def test_a_wrong_refresh_is_refused_and_ends_nothing(
    bound_site: Site, header: Mapping[str, Any], claims: Mapping[str, Any], flaw: str
) -> None:
    device = begin(bound_site)
    said = {"jti": device.challenge, **claims}
    proof = device_proof(device.key, None, register=False, header=dict(header), **said)

    assert refused(device.refresh(proof)) == flaw
    assert device.user() == "ada"
    aud = ORIGIN + REFRESH
    assert device.refresh(device_proof(device.key, device.challenge, register=False, aud=aud)).status == 200


def test_what_is_no_proof_at_all_is_refused_and_ends_nothing(bound_site: Site) -> None:
    device = begin(bound_site)
    proof = device_proof(device.key, device.challenge, register=False)

    for text, flaw in [
        ("x", "proof-malformed"),
        (f"{proof}, {proof}", "proof-repeated"),
        ("x" * 4097, "proof-too-large"),
        (proof.rpartition(".")[0] + ".", "proof-malformed"),
        (Key().proof("POST", ORIGIN + REFRESH, nonce=device.challenge), "proof-type"),
    ]:
        assert refused(device.refresh(text)) == flaw
    assert device.refresh(proof).status == 200


def test_a_challenge_signed_by_another_key_ends_the_session(bound_site: Site) -> None:
    """Whoever does that has the cookie, and not the key."""
    device = begin(bound_site)
    thief = device_proof(Key(), device.challenge, register=False)

    assert gives_up(device.refresh(thief))
    assert device("GET", "/see/show").json()["end_reason"] == "token_reuse"
    assert gives_up(device.refresh())


def test_a_second_browser_with_the_cookie_registers_nothing(bound_site: Site) -> None:
    device = Device(bound_site)
    challenge = device.log_in()
    thief = Device(bound_site)
    thief.browser.token, thief.bound = device.browser.token, dict(device.bound)
    # Before the owner's: without the challenge of the log-in's answer.
    for wrong in (None, "x", challenge[:-1] + ("A" if challenge[-1] != "A" else "B")):
        answer = thief.register(wrong)
        assert refused(answer) in ("proof-stale-nonce", "proof-malformed")
        assert answer.one("secure-session-challenge") is None
    assert device.register(challenge).status == 200
    # And after it even with that.
    assert refused(thief.register(challenge)) == "proof-other-key"
    assert refused(thief.register(device.challenge)) == "proof-other-key"

    assert device.user() == "ada"
    assert device.refresh().status == 200


def test_of_two_who_register_at_once_one_does(bound_site: Site) -> None:
    device = Device(bound_site)
    challenge = device.log_in()
    rivals = [Device(bound_site) for _ in range(8)]
    for rival in rivals:
        rival.browser.token = device.browser.token
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda rival: rival.register(challenge).status, rivals))

    assert sorted(answers) == [200] + [401] * 7
    [winner] = [rival for rival, status in zip(rivals, answers, strict=True) if status == 200]
    assert winner.refresh().status == 200
    assert winner.user() == "ada"


def test_a_registration_whose_answer_was_lost_is_made_again_by_the_same_key(bound_site: Site) -> None:
    device = Device(bound_site)
    challenge = device.log_in()
    assert device.register(challenge).status == 200
    device.challenge = ""

    # What was sent, somebody may have seen: it opens nothing again.
    assert refused(device.register(challenge), 403) == "proof-stale-nonce"
    assert device.register(device.challenge).json()["session_identifier"] == device.of
    assert device.user() == "ada"


def test_a_registration_is_for_the_log_in_that_it_followed(bound_site: Site) -> None:
    device, other = Device(bound_site), Device(bound_site)
    theirs = other.log_in("eve")
    mine = device.log_in()
    assert refused(device.register(theirs)) == "proof-stale-nonce"
    assert refused(device("POST", REGISTER, **{"Content-Length": "0"})) == "proof-required"
    bound_site.pass_seconds(301)
    assert refused(device.register(mine)) == "proof-stale-nonce"

    # It is bound to nothing then, and serves as ever.
    device.bound = {}
    assert device.user() == "ada"
    assert gives_up(device.refresh(of="x"))


@pytest.mark.parametrize(
    ("header", "flaw"),
    [
        ({"typ": "dpop+jwt"}, "proof-type"),
        ({"alg": "none"}, "proof-algorithm"),
        ({"alg": "HS256"}, "proof-algorithm"),
        ({"alg": "RS256"}, "proof-key"),
        ({"jwk": None}, "proof-key"),
        ({"jwk": Key().jwk}, "proof-signature"),
        ({"jwk": {**Key().jwk, "d": "AA"}}, "proof-private-key"),
        ({"jwk": {**Key().jwk, "y": "A" * 43}}, "proof-key"),
    ],
)
def test_a_wrong_registration_binds_nothing(bound_site: Site, header: Mapping[str, Any], flaw: str) -> None:
    device = Device(bound_site)
    challenge = device.log_in()

    assert refused(device.register(challenge, header=dict(header))) == flaw
    assert device.register(challenge).status == 200


def test_after_the_end_there_is_no_cookie_and_the_browser_gives_up(bound_site: Site) -> None:
    device = begin(bound_site)
    token, bound = device.browser.token, dict(device.bound)
    left = device("POST", "/session/logout", {})
    assert left.status == 200
    assert (device.browser.token, device.bound) == ("", {})

    device.browser.token = token
    assert gives_up(device.refresh())
    assert gives_up(device.register("x"))
    device.bound = bound
    assert device("GET", "/see/show").json()["end_reason"] == "logout"
    device.browser.token = ""
    assert gives_up(device.refresh())


def test_a_new_log_in_is_bound_anew_and_the_old_ones_browser_session_is_given_up(bound_site: Site) -> None:
    device = begin(bound_site)
    old = device.of
    assert device.register(device.log_in()).status == 200
    assert device.of != old

    assert refused(device.refresh(of=old)) == "proof-required"
    assert device.user() == "ada"
    assert device.refresh().status == 200


def test_a_session_with_a_new_id_and_a_renewed_token_are_bound_to_the_same_key(bound_site: Site) -> None:
    device = begin(bound_site)
    before = device.browser.token
    assert device("POST", "/do/regenerate").status == 200
    assert device.browser.token != before
    bound_site.pass_seconds(301)
    assert device.refresh().status == 200
    assert device.user() == "ada"
    alone = bound_site.browser().get("/see/show", Cookie=f"{COOKIE}={device.browser.token}")

    assert refused(alone) == "proof-required"
    assert device.refresh().status == 200


def test_what_another_sites_page_asks_is_asked_once_more_and_else_a_browser_without_key_starts_anew(
    bound_site: Site,
) -> None:
    device = begin(bound_site)
    device.bound = {}
    followed = device("GET", "/see/show", **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
    assert (refused(followed), followed.one("refresh")) == ("proof-required", "0")
    assert followed.all("set-cookie") == []
    skipped = device("GET", "/see/show", **{"Secure-Session-Skipped": 'quota_exceeded;session_identifier="x"'})
    assert (refused(skipped), skipped.all("set-cookie")) == ("proof-required", [])
    assert device.browser.token
    own = device("GET", "/see/show", **{"Sec-Fetch-Site": "same-origin"})
    assert refused(own) == "proof-required"
    assert own.one("refresh") is None

    assert device.browser.token == ""
    assert device.user() is None


def test_the_browsers_own_requests_are_served_whatever_their_origin(bound_site: Site) -> None:
    device = begin(bound_site)
    for headers in ({}, {"Origin": "https://shop.test", "Sec-Fetch-Site": "same-site"}):
        proof = device_proof(device.key, device.challenge, register=False)
        more = {"Sec-Secure-Session-Id": device.of, "Secure-Session-Response": proof, "Content-Length": "0"}
        assert device("POST", REFRESH, **more, **headers).status == 200


def test_a_refresh_is_no_activity(bound_site: Site) -> None:
    device = begin(bound_site)
    seen = device("GET", "/session/").json()["seen_at"]
    bound_site.pass_seconds(120)
    assert device.refresh().status == 200

    assert device("GET", "/session/").json()["seen_at"] == seen


def test_nothing_is_offered_to_a_script_that_holds_its_token(bound_site: Site) -> None:
    answer = bound_site.browser(**{"Sojourn-Transport": "bearer"}).post("/do/login", {"user": "ada"})

    assert answer.one("secure-session-registration") is None
    assert answer.all("set-cookie") == []


def test_where_nothing_is_bound_nothing_is_offered(site: Site) -> None:
    browser = site.browser()
    answer = browser.post("/do/login", {"user": "ada"})
    assert answer.one("secure-session-registration") is None
    assert len(answer.all("set-cookie")) == 1
    for path in (REGISTER, REFRESH):
        assert gives_up(browser.post(path))


def test_an_outage_is_a_503_and_no_end(redis_site: RedisSite) -> None:
    browser = redis_site.browser()
    browser.log_in("ada")
    redis_site.redis.kill()
    for path in (REGISTER, REFRESH):
        assert browser.post(path).status == 503
