"""Proofs of a key at the service: the vectors, by the endpoint that every back end asks; and what a body may hold."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sojourn import AsyncSessionManager, Policy, ProofRefused
from sojourn.core.cookie import CookieOptions
from sojourn.core.dbsc import ATTRIBUTES
from sojourn.core.store import Create
from sojourn.service.service_endpoints import ServiceEndpoints
from sojourn.stores.memory import AsyncMemoryStore
from sojourn.wire.requests import OpenRequest, PresentedKey
from tests.keys import Key, device_proof
from tests.server import Server
from tests.service.backend import COMMAND, Backend, start
from tests.service.vector_service import bound

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "proofs.json").read_text("utf-8"))
NOW: int = VECTORS["now"]
REQUEST = VECTORS["request"]
URL = REQUEST["origin"] + quote(REQUEST["path"])


async def endpoints() -> ServiceEndpoints:
    """The service's, at the vectors' time, over a store with the session that their token opens."""
    store = AsyncMemoryStore()
    await store.create(Create(record=bound(), now=NOW, began_at=NOW))
    manager = AsyncSessionManager(store, Policy(binding="prefer"), clock=lambda: NOW)
    return ServiceEndpoints(manager, CookieOptions())


def opening(proof: str | None, **changed: Any) -> OpenRequest:
    said = {"method": REQUEST["method"], "url": URL, "dpop": True, **changed}
    return OpenRequest(token=VECTORS["token"], presented=PresentedKey(proof=proof, **said))


@pytest.mark.parametrize("vector", VECTORS["proofs"], ids=lambda vector: vector["why"])
async def test_a_proof_that_a_back_end_hands_on_is_judged(vector: dict[str, Any]) -> None:
    service = await endpoints()
    if vector["problem"] is None:
        opened = await service.load(opening(vector["proof"]))
        assert (opened.status, opened.proved) == ("active", VECTORS["thumbprint"])
        return
    with pytest.raises(ProofRefused) as refused:
        await service.load(opening(vector["proof"]))
    assert refused.value.flaw == vector["problem"]


async def test_a_session_is_loaded_anew_in_the_same_request_by_what_its_open_was_told() -> None:
    service = await endpoints()
    good = next(vector["proof"] for vector in VECTORS["proofs"] if vector["problem"] is None)
    proved = (await service.load(opening(good))).proved
    again = OpenRequest(token=VECTORS["token"], opened_at=NOW, proved=proved)

    assert (await service.load(again)).status == "active"
    with pytest.raises(ProofRefused):
        await service.load(OpenRequest(token=VECTORS["token"], opened_at=NOW, proved="another"))
    with pytest.raises(ProofRefused):
        await service.load(opening(good))


@pytest.mark.parametrize(
    "url",
    [
        "",
        "/cart",
        "app.example.com/cart",
        "https://",
        "https://[/cart",
        "https://a b/cart",
        "https://a@b/cart",
        "ftp://a/b",
    ],
)
def test_a_url_without_its_origin_is_refused(backend: Backend, url: str) -> None:
    token = backend.log_in("ada")
    shown = {"method": "GET", "url": url, "proof": "x", "dpop": True}
    for path, body in (
        ("/v1/open", {"token": token, "presented": shown}),
        ("/v1/commit", {"presented": shown, "changes": {"a": {"value": 1}}}),
    ):
        answer = backend.request("POST", path, body)
        assert (answer.status, answer.code) == (400, "invalid-body")
        assert "`$.presented.url`" in answer.json["detail"]


def test_a_container_s_name_is_a_host(backend: Backend) -> None:
    """With an underscore, as `public_origin` takes it."""
    shown = {"method": "GET", "url": "http://my_shop:8000/", "proof": "x", "dpop": True}

    assert backend.request("POST", "/v1/open", {"token": backend.log_in("ada"), "presented": shown}).status == 200


ORIGIN = "https://app.example.com"
QUIET: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 60}


@pytest.fixture(scope="module")
def binding_service(tmp_path_factory: pytest.TempPathFactory, keys: Path) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("binding")
    config = folder / "sojourn.toml"
    config.write_text(
        f"""
        store = "sqlite:///{folder}/sessions.sqlite3"
        keys = "{keys}"
        [policy]
        binding = "prefer"
        [browser]
        mount = "/s"
        script_readable_tokens = true
        public_origin = "{ORIGIN}"
        bind_cookies = true
        """
    )
    with start(folder, "--config", str(config)) as server:
        yield server


def test_the_services_own_endpoints_and_a_back_end_share_a_bound_session(binding_service: Server, key: str) -> None:
    mine = Key()
    with Backend(binding_service.port, key) as backend:
        proof = mine.proof("POST", f"{ORIGIN}/log-in")
        shown = {"method": "POST", "url": f"{ORIGIN}/log-in?next=%2F", "proof": proof, "dpop": False}
        begun = backend.commit(presented=shown, action={"type": "login", "user_id": "ada"})
        token, nonce = begun["token"], begun["nonce"]
        assert begun["session"]["bound"] == "browser"

        def state(headers: dict[str, str]) -> Any:
            told = {"Sojourn-Transport": "bearer", "authorization": f"DPoP {token}", **headers}
            return backend.request("GET", "/s/", headers=told)

        proved = mine.proof("GET", f"{ORIGIN}/s/", token=token, nonce=nonce)
        assert state({"DPoP": proved}).json["bound"] == "browser"
        assert state({"DPoP": proved}).code == "proof-replayed"
        assert state({}).code == "proof-required"
        assert backend.request("POST", "/v1/open", {"token": token}).code == "proof-required"
        # Nor does a commit, for whoever opened nothing.
        write = {"token": token, "status": "active", "changes": {"a": {"value": 1}}}
        assert backend.request("POST", "/v1/commit", write).code == "proof-required"
        wrong = {**write, "proved": "x" * 43}
        assert backend.request("POST", "/v1/commit", wrong).code == "proof-other-key"
        assert backend.request("POST", "/v1/commit", {**write, "proved": f"{'x' * 42} "}).code == "invalid-body"
        assert backend.request("POST", "/v1/commit", {**write, "proved": begun["proved"]}).json["status"] == "active"


def test_a_cookie_is_bound_by_what_a_back_end_hands_on_and_passes_back(binding_service: Server, key: str) -> None:
    mine = Key()
    with Backend(binding_service.port, key) as backend:
        begun = backend.commit(action={"type": "login", "user_id": "ada"})
        token, told = begun["token"], begun["device"]
        cookie = told["set_cookie"].partition(";")[0]
        path, challenge = re.fullmatch(r'\(ES256 RS256\);path="(.*)";challenge="(.*)"', told["registration"]).groups()  # type: ignore[union-attr]
        assert path == "/s/dbsc/register"
        # Until the browser has registered a key, all is as ever; and the answers say nothing more than they did.
        assert backend.open(token)["session"]["bound"] is None
        written = backend.commit(token, changes={"a": {"value": 1}})
        assert "device" not in written

        proof = device_proof(mine, challenge, register=True)
        shown = {"cookie": f"__Host-session={token}; {cookie}", "secure-session-response": proof}
        assert backend.request("POST", path, headers=shown).json["refresh_url"] == "/s/dbsc/refresh"
        write = {"token": token, "status": "active", "changes": {"b": {"value": 1}}}
        for url, body in (("/v1/open", {"token": token}), ("/v1/commit", write)):
            assert backend.request("POST", url, body).code == "proof-required"
            assert backend.request("POST", url, body | {"device": {"cookies": "x"}}).code == "proof-required"
        device = {"cookies": cookie}
        assert backend.open(token, device=device)["session"]["bound"] == "hardware"
        lines = [{"open": {"token": token, "device": device}}, {"open": {"token": token}}]
        batch = "\n".join(map(json.dumps, lines)).encode()
        answers = backend.request("POST", "/v1/batch", batch, {"content-type": "application/x-ndjson"}).body
        told_by_call = {line["call"]: line["status"] for line in map(json.loads, answers.splitlines())}
        assert told_by_call == {0: 200, 1: 401}

        left = backend.commit(token, device=device, action={"type": "logout"})
        assert left["device"] == {
            "set_cookie": f"{cookie.partition('=')[0]}=; Max-Age=0; {ATTRIBUTES}",
            "registration": None,
        }


def test_a_service_without_bind_cookies_offers_no_browser_to_bind(backend: Backend) -> None:
    assert "device" not in backend.commit(action={"type": "login", "user_id": "ada"})


def test_a_service_that_binds_by_its_own_endpoints_is_told_what_that_takes(tmp_path: Path, keys: Path) -> None:
    config = tmp_path / "sojourn.toml"
    config.write_text(
        f"""
        store = "sqlite:///{tmp_path}/sessions.sqlite3"
        keys = "{keys}"
        [policy]
        binding = "prefer"
        [browser]
        """
    )
    done = subprocess.run([*COMMAND, "serve", "--config", str(config), "--port", "0"], check=False, **QUIET)

    assert done.returncode == 2
    assert "needs public_origin" in done.stderr
    assert "Traceback" not in done.stderr
