"""Sessions that are bound to a key: the token alone opens nothing, whoever is asked, and the key's owner goes on."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.http.browser import COOKIE, Answer, Browser
from tests.http.site import Site
from tests.keys import Key

ORIGIN = "https://shop.test"
BEARER = {"Sojourn-Transport": "bearer"}


class Holder:
    """A client with a key: it proves it with each request, and keeps the token and the nonce that it is given."""

    def __init__(self, site: Site, key: Key | None = None) -> None:
        self.browser: Browser = site.browser(**BEARER)
        self._site = site
        self.key = key or Key()
        self.token: str | None = None
        self.nonce: str | None = None

    def proof(self, method: str, path: str, **claims: Any) -> str:
        said = {"token": self.token, "nonce": self.nonce, "iat": self._site.now(), **claims}
        return self.key.proof(method, ORIGIN + path, **said)

    def headers(self, method: str, path: str, **claims: Any) -> dict[str, str]:
        shown = {} if self.token is None else {"Authorization": f"DPoP {self.token}"}
        return {**shown, "DPoP": self.proof(method, path, **claims)}

    def __call__(self, method: str, path: str, body: Any = None) -> Answer:
        answer = self.browser(method, path, body, self.headers(method, path))
        if answer.status == 401 and answer.problem in ("proof-without-nonce", "proof-stale-nonce"):
            self.nonce = answer.one("dpop-nonce")
            answer = self.browser(method, path, body, self.headers(method, path))
        self.nonce = answer.one("dpop-nonce") or self.nonce
        said = answer.one("sojourn-token")
        if said is not None:
            self.token = None if said == "none" else said
        return answer

    def get(self, path: str) -> Answer:
        return self("GET", path)

    def post(self, path: str, body: Any = None) -> Answer:
        return self("POST", path, body)


class Keeper:
    """A browser that keeps its token in a cookie, and has a key that the token's renewal takes."""

    def __init__(self, site: Site) -> None:
        self.browser, self.key, self._site = site.browser(), Key(), site
        self.nonce: str | None = None

    def signed(self, method: str, path: str, body: Any = None, key: Key | None = None) -> Answer:
        """A request with a proof."""
        proof = (key or self.key).proof(method, ORIGIN + path, nonce=self.nonce, iat=self._site.now())
        return self.browser(method, path, body, {"DPoP": proof})

    def pass_interval(self) -> None:
        """Time passes, after which the token is to be renewed, if it was not."""
        assert self.browser.post("/session/touch").status == 200
        self._site.pass_seconds(301)

    def ask(self) -> str | None:
        """The nonce for the proof that is due, if one is."""
        answer = self.browser.get("/session/")
        assert (answer.status, answer.one("cache-control")) == (200, "no-store")
        self.nonce = answer.one("dpop-nonce") or self.nonce
        return answer.one("dpop-nonce")


def keep(site: Site, user: str = "ada") -> Keeper:
    """One who has logged in."""
    keeper = Keeper(site)
    assert keeper.signed("POST", "/do/login", {"user": user}).status == 200
    assert keeper.browser.token
    return keeper


def log_in(site: Site, user: str = "ada") -> Holder:
    holder = Holder(site)
    answer = holder.post("/do/login", {"user": user})
    assert answer.status == 200
    assert answer.one("cache-control") == "no-store"
    assert holder.token is not None
    assert holder.nonce is not None
    return holder


def refused(site: Site, headers: dict[str, str], path: str = "/see/show") -> str:
    """The code with which a stranger is refused who sends these."""
    answer = site.browser().get(path, **headers)
    assert answer.status == 401
    assert answer.one("cache-control") == "no-store"
    return answer.problem


def test_who_has_the_key_goes_on(bound_site: Site) -> None:
    holder = log_in(bound_site)

    assert holder.get("/see/show").json()["user"] == "ada"
    assert holder.post("/do/put", {"a": 1}).status == 200
    assert holder.get("/see/show").json()["data"] == {"a": 1}
    state = holder.get("/session/").json()
    assert (state["user_id"], state["status"]) == ("ada", "active")


def test_the_state_and_the_list_of_devices_say_whether_a_session_is_bound(bound_site: Site) -> None:
    holder, script = log_in(bound_site, "gil"), bound_site.browser(**BEARER)
    token = script.post("/do/login", {"user": "gil"}).one("sojourn-token")

    assert holder.get("/session/").json()["bound"] == "browser"
    assert script.get("/session/", Authorization=f"Bearer {token}").json()["bound"] is None
    listed = holder.get("/session/sessions").json()["sessions"]
    assert {each["current"]: each["bound"] for each in listed} == {True: "browser", False: None}


def test_the_token_alone_opens_nothing(bound_site: Site) -> None:
    holder = log_in(bound_site)

    for headers in (
        {"Authorization": f"Bearer {holder.token}"},
        {"Authorization": f"DPoP {holder.token}"},
        {"Authorization": f"DPoP {holder.token}", **BEARER},
        {"Cookie": f"{COOKIE}={holder.token}"},
    ):
        assert refused(bound_site, headers) == "proof-required"
    assert holder.get("/see/show").json()["user"] == "ada"


def test_the_scheme_is_of_any_letters_and_spaces_follow_it(bound_site: Site) -> None:
    holder = log_in(bound_site)
    for scheme in ("dpop", "DPOP  "):
        shown = {"Authorization": f"{scheme} {holder.token}", "DPoP": holder.proof("GET", "/see/show")}
        assert bound_site.browser().get("/see/show", **shown).json()["user"] == "ada"
    assert refused(bound_site, {"Authorization": f"bearer {holder.token}"}) == "proof-required"


def test_a_good_proof_beside_the_token_as_bearer_is_refused(bound_site: Site) -> None:
    holder = log_in(bound_site)
    headers = {"Authorization": f"Bearer {holder.token}", "DPoP": holder.proof("GET", "/see/show")}

    assert refused(bound_site, headers) == "proof-required"


def test_who_has_another_key_is_refused_and_told_to_forget_the_token(bound_site: Site) -> None:
    holder = log_in(bound_site)
    thief = Holder(bound_site)
    thief.token, thief.nonce = holder.token, holder.nonce
    answer = thief.get("/see/show")

    assert (answer.status, answer.problem) == (401, "proof-other-key")
    assert answer.one("sojourn-token") == "none"
    assert answer.one("www-authenticate") == 'DPoP error="invalid_dpop_proof", algs="ES256"'
    assert holder.get("/see/show").json()["user"] == "ada"


def test_a_proof_is_for_one_request_alone(bound_site: Site) -> None:
    holder = log_in(bound_site)
    other = log_in(bound_site)
    shown = {"Authorization": f"DPoP {holder.token}"}

    for proof, flaw in [
        (holder.proof("POST", "/see/show"), "proof-method"),
        (holder.proof("GET", "/see/poll"), "proof-url"),
        (holder.proof("GET", "/see/show", htu=f"{bound_site.origin}/see/show"), "proof-url"),
        (holder.proof("GET", "/see/show", token=other.token), "proof-token"),
        (holder.proof("GET", "/see/show", nonce=None), "proof-without-nonce"),
        (holder.proof("GET", "/see/show", nonce=other.nonce), "proof-stale-nonce"),
        (holder.proof("GET", "/see/show", iat=1), "proof-time"),
        (holder.proof("GET", "/see/show", header={"typ": "dbsc+jwt"}), "proof-type"),
        (f"{holder.proof('GET', '/see/show')}, {holder.proof('GET', '/see/show')}", "proof-repeated"),
    ]:
        assert refused(bound_site, {**shown, "DPoP": proof}) == flaw
    assert holder.get("/see/show").json()["user"] == "ada"


def test_a_query_is_no_part_of_what_a_proof_is_for(bound_site: Site) -> None:
    holder = log_in(bound_site)
    answer = holder.browser("GET", "/see/show?page=2", headers=holder.headers("GET", "/see/show"))

    assert answer.json()["user"] == "ada"


def test_a_proof_that_was_used_is_refused_by_every_process(bound_site: Site) -> None:
    holder = log_in(bound_site)
    headers = {**holder.headers("GET", "/see/show"), **BEARER}
    # Each on a connection of its own: there are two processes.
    browsers = [bound_site.browser() for _ in range(16)]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda browser: browser.get("/see/show", **headers), browsers))

    assert Counter(answer.status for answer in answers) == {200: 1, 401: 15}
    assert {answer.problem for answer in answers if answer.status == 401} == {"proof-replayed"}


def test_parallel_requests_with_a_proof_each_are_all_served(bound_site: Site) -> None:
    holder = log_in(bound_site)
    browsers = [bound_site.browser(**BEARER) for _ in range(50)]
    with ThreadPoolExecutor(10) as pool:
        answers = list(
            pool.map(lambda browser: browser.post("/do/increment", **holder.headers("POST", "/do/increment")), browsers)
        )

    assert Counter(answer.status for answer in answers) == {200: 50}
    assert holder.get("/see/show").json()["data"] == {"n": 50}


def test_one_who_lacks_a_fresh_nonce_is_given_one_and_goes_on(bound_site: Site) -> None:
    holder = log_in(bound_site)
    first = holder.nonce
    bound_site.pass_seconds(200)
    held = holder.browser("GET", "/see/show", headers=holder.headers("GET", "/see/show"))

    # Good still, and the answer brings the next.
    assert held.json()["user"] == "ada"
    assert held.one("dpop-nonce") not in (None, first)
    bound_site.pass_seconds(200)
    stale = holder.browser("GET", "/see/show", headers=holder.headers("GET", "/see/show"))
    assert stale.problem == "proof-stale-nonce"
    assert stale.one("www-authenticate") == 'DPoP error="use_dpop_nonce", algs="ES256"'
    holder.nonce = stale.one("dpop-nonce")
    again = holder.browser("GET", "/see/show", headers=holder.headers("GET", "/see/show"))
    assert again.json()["user"] == "ada"


def test_a_renewed_token_is_bound_to_the_same_key(bound_site: Site) -> None:
    holder = log_in(bound_site)
    before = holder.token
    bound_site.pass_seconds(301)
    assert holder.get("/see/show").status == 200

    assert holder.token != before
    assert refused(bound_site, {"Authorization": f"Bearer {holder.token}"}) == "proof-required"
    assert holder.get("/see/show").json()["user"] == "ada"


def test_a_stranger_with_an_old_token_ends_nothing(bound_site: Site) -> None:
    holder = log_in(bound_site)
    assert holder.token is not None
    reused = holder.token[:-32] + "0" * 32

    assert refused(bound_site, {"Authorization": f"Bearer {reused}"}) == "proof-required"
    assert holder.get("/see/show").json()["user"] == "ada"


def test_a_log_in_makes_a_session_that_is_bound_to_the_same_key(bound_site: Site) -> None:
    holder = Holder(bound_site)
    assert holder.post("/session/start", {"data": {"theme": "dark"}}).status == 200
    before = holder.token
    assert holder.post("/do/login", {"user": "ada"}).status == 200

    assert holder.token != before
    assert refused(bound_site, {"Authorization": f"Bearer {holder.token}"}) == "proof-required"
    shown = holder.get("/see/show").json()
    assert (shown["user"], shown["data"]) == ("ada", {"theme": "dark"})


def test_a_session_with_a_new_id_is_bound_to_the_same_key(bound_site: Site) -> None:
    holder = log_in(bound_site)
    before = holder.token
    assert holder.post("/do/regenerate").status == 200

    assert holder.token != before
    assert refused(bound_site, {"Authorization": f"Bearer {holder.token}"}) == "proof-required"
    assert holder.get("/see/show").json()["user"] == "ada"


def test_an_end_is_an_end_and_the_same_client_begins_anew(bound_site: Site) -> None:
    holder = log_in(bound_site)
    token = holder.token
    left = holder.post("/session/logout")
    assert (left.status, left.one("sojourn-token")) == (200, "none")

    holder.token = token
    assert holder.get("/see/show").json()["end_reason"] == "logout"
    # With the dead token still in its hands.
    assert holder.post("/do/login", {"user": "ada"}).status == 200
    assert holder.token != token
    assert refused(bound_site, {"Authorization": f"Bearer {holder.token}"}) == "proof-required"
    assert holder.get("/see/show").json()["user"] == "ada"


def test_a_log_in_with_a_wrong_or_a_used_proof_makes_no_session(bound_site: Site) -> None:
    holder = Holder(bound_site)
    rows = bound_site.rows()
    wrong = holder.browser.post("/do/login", {"user": "ada"}, DPoP=holder.proof("GET", "/do/login"))

    assert wrong.problem == "proof-method"
    assert bound_site.rows() == rows
    once = {"DPoP": holder.proof("POST", "/do/login")}
    assert holder.browser.post("/do/login", {"user": "ada"}, **once).status == 200
    again = bound_site.browser(**BEARER).post("/do/login", {"user": "eve"}, **once)
    assert again.problem == "proof-replayed"
    assert bound_site.rows() == rows + 1


def test_a_client_without_a_key_has_a_session_as_before(bound_site: Site) -> None:
    script = bound_site.browser(**BEARER)
    token = script.post("/do/login", {"user": "ada"}).one("sojourn-token")
    visitor = bound_site.browser()
    visitor.log_in("eve")

    assert script.get("/see/show", Authorization=f"Bearer {token}").json()["user"] == "ada"
    assert visitor.show()["user"] == "eve"


@pytest.mark.parametrize("word", ["Bearer", "DPoP"])
def test_a_session_that_was_made_without_a_key_is_not_bound_later(bound_site: Site, word: str) -> None:
    """Else whoever has stolen its token could lock the owner out."""
    script = bound_site.browser(**BEARER)
    token = script.post("/do/login", {"user": "ada"}).one("sojourn-token")
    holder = Holder(bound_site)
    holder.token = token
    headers = {"Authorization": f"{word} {token}", "DPoP": holder.proof("POST", "/do/put")}

    assert holder.browser("POST", "/do/put", {"a": 1}, headers).status == 200
    assert script.get("/see/show", Authorization=f"Bearer {token}").json()["data"] == {"a": 1}


def test_a_cookie_is_renewed_for_a_proof_and_opens_without(bound_site: Site) -> None:
    keeper = keep(bound_site, "hal")
    first, thief = keeper.browser.token, Key()
    assert keeper.browser.get("/session/").json()["bound"] == "browser"
    assert [one["bound"] for one in keeper.browser.get("/session/sessions").json()["sessions"]] == ["browser"]
    assert keeper.ask() is None
    keeper.pass_interval()

    assert keeper.browser.show()["user"] == "hal"
    assert keeper.ask() is not None
    assert keeper.signed("GET", "/session/", key=thief).json()["user_id"] == "hal"
    assert keeper.browser.token == first
    wrong = keeper.browser.get("/session/", DPoP=keeper.key.proof("GET", ORIGIN + "/session/", iat=bound_site.now()))
    assert (wrong.status, wrong.problem) == (401, "proof-without-nonce")
    assert wrong.one("www-authenticate") == 'DPoP error="use_dpop_nonce", algs="ES256"'
    assert wrong.one("set-cookie") is None
    assert keeper.signed("GET", "/session/").json()["user_id"] == "hal"
    assert keeper.browser.token != first
    assert keeper.browser.show()["user"] == "hal"
    assert keeper.ask() is None


def test_a_cookie_that_goes_without_a_proof_for_long_is_at_no_level_until_it_brings_one(bound_site: Site) -> None:
    keeper, day = keep(bound_site), {"within": 86400}
    keeper.pass_interval()
    assert keeper.browser.post("/do/prove", day).status == 200
    keeper.pass_interval()

    asked = keeper.browser.post("/do/prove", day)
    assert (asked.status, asked.problem) == (401, "reauthentication-required")
    assert keeper.browser.show()["user"] == "ada"
    keeper.nonce = asked.one("dpop-nonce")
    assert keeper.signed("POST", "/do/prove", day, Key()).problem == "reauthentication-required"
    before = keeper.browser.token
    assert keeper.signed("POST", "/do/prove", day).status == 200
    assert keeper.browser.token != before
    assert keeper.browser.post("/do/prove", day).status == 200


def test_who_copied_a_cookie_is_left_behind_and_ends_nothing(bound_site: Site) -> None:
    keeper = keep(bound_site)
    thief = keeper.browser.other()
    keeper.pass_interval()
    assert thief.show()["user"] == "ada"
    keeper.ask()
    assert keeper.signed("GET", "/session/").status == 200
    assert keeper.browser.show()["user"] == "ada"
    bound_site.pass_seconds(61)

    assert thief.show()["user"] is None
    assert keeper.browser.show()["user"] == "ada"


def test_a_proof_that_came_with_a_log_in_is_for_no_other(bound_site: Site) -> None:
    keeper = Keeper(bound_site)
    rows = bound_site.rows()
    once = {"DPoP": keeper.key.proof("POST", ORIGIN + "/do/login", iat=bound_site.now())}
    assert keeper.browser.post("/do/login", {"user": "ada"}, **once).status == 200

    assert bound_site.browser().post("/do/login", {"user": "eve"}, **once).problem == "proof-replayed"
    late = {"DPoP": keeper.key.proof("POST", ORIGIN + "/do/login", iat=1)}
    assert bound_site.browser().post("/do/login", {"user": "eve"}, **late).problem == "proof-time"
    assert bound_site.rows() == rows + 1
