"""Proof: what a DPoP header must be, by the vectors that any other reader of proofs may use too."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from subprocess import run
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sojourn.core import errors, proof
from sojourn.core.errors import ConfigurationError, ProofRefused
from sojourn.core.problem import error_of, problem_of
from sojourn.core.proof import Asked, check, make_nonce, nonce_age, read, require_cryptography
from tests.keys import Key

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "proofs.json").read_text("utf-8"))
NOW: int = VECTORS["now"]
ASKED = Asked(**VECTORS["request"])
# Told by others than `read` and `check`.
NEEDS_A_STORE = {"proof-required", "proof-replayed"}


def judge(text: str) -> str | None:
    """The code that the proof is refused with; None where it is good."""
    try:
        found = read(text)
        check(
            found,
            ASKED,
            NOW,
            thumbprint=VECTORS["thumbprint"],
            token=VECTORS["token"],
            nonce_key=bytes.fromhex(VECTORS["nonce_key"]),
        )
    except ProofRefused as error:
        return error.flaw
    return None


@pytest.mark.parametrize("vector", VECTORS["proofs"], ids=lambda vector: vector["why"])
def test_a_proof_is_taken_or_refused_with_the_code_of_what_is_wrong(vector: dict[str, Any]) -> None:
    assert judge(vector["proof"]) == vector["problem"]


def test_the_vectors_have_each_code_and_good_proofs_too() -> None:
    told = {vector["problem"] for vector in VECTORS["proofs"]}

    assert told == {None, *get_args(errors.Flaw)} - NEEDS_A_STORE


@pytest.mark.parametrize("flaw", get_args(errors.Flaw))
def test_each_flaw_is_a_401_with_a_challenge_and_comes_back_from_its_answer(flaw: Any) -> None:
    problem = problem_of(ProofRefused(flaw, "12-x"))
    assert problem is not None
    headers = dict(problem.headers())

    assert (problem.status, problem.code) == (401, flaw)
    assert headers["www-authenticate"] == 'DPoP error="use_dpop_nonce", algs="ES256"'
    assert headers["dpop-nonce"] == "12-x"
    back = error_of(problem)
    assert isinstance(back, ProofRefused)
    assert (back.flaw, back.nonce) == (flaw, "12-x")


def test_who_has_lost_the_key_is_told_that_the_token_is_worth_nothing() -> None:
    forget = {
        flaw
        for flaw in get_args(errors.Flaw)
        if ("sojourn-token", "none") in problem_of(ProofRefused(flaw)).headers()  # type: ignore[union-attr]
    }

    assert forget == {"proof-required", "proof-other-key"}


def test_a_proof_for_no_session_needs_no_token_and_no_nonce() -> None:
    key = Key()
    found = read(key.proof("GET", "https://app.example.com/notes/1", iat=NOW // 1000))

    check(found, ASKED, NOW)
    assert found.thumbprint == key.thumbprint


def test_a_client_whose_clock_is_wrong_is_told_the_time() -> None:
    found = read(Key().proof("GET", "https://app.example.com/notes/1", iat=NOW // 1000 - 3600))

    with pytest.raises(ProofRefused) as raised:
        check(found, ASKED, NOW)
    assert (raised.value.flaw, raised.value.nonce) == ("proof-time", str(NOW // 1000))


def test_a_path_beyond_ascii_is_the_same_as_its_encoding() -> None:
    found = read(Key().proof("GET", "https://app.example.com/caf%C3%A9", iat=NOW // 1000))

    check(found, Asked("GET", "https://app.example.com", "/café"), NOW)


def test_one_key_and_one_jti_name_one_proof_whatever_else_is_in_it() -> None:
    one, other = Key(), Key()
    ids = [
        read(key.proof(method, "https://a.test/", jti=jti, iat=1)).id
        for key, method, jti in [(one, "GET", "a"), (one, "POST", "a"), (other, "GET", "a"), (one, "GET", "b")]
    ]

    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
    assert all(len(id) == 32 for id in ids)


@given(st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{0,80}\.[A-Za-z0-9_-]{0,80}\.[A-Za-z0-9_-]{0,90}"))
def test_whatever_is_sent_is_refused_and_nothing_else_happens(text: str) -> None:
    assert judge(text) in get_args(errors.Flaw)


@given(st.text(max_size=60))
def test_no_nonce_is_taken_that_was_not_made_of_the_key(text: str) -> None:
    assert nonce_age(text, b"key", NOW) is None


def test_a_nonce_says_when_it_was_made_and_no_other_key_made_it() -> None:
    nonce = make_nonce(b"key", NOW)

    assert nonce.startswith(f"{NOW // 1000}-")
    assert nonce_age(nonce, b"key", NOW + 5000) == 5
    assert nonce_age(nonce, b"other", NOW) is None


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "find_spec", lambda _: None)

    with pytest.raises(ConfigurationError, match=r"\.\[bound\]"):
        require_cryptography()


def test_a_policy_that_binds_nothing_loads_nothing_of_it() -> None:
    loaded = {"sojourn.core.binding", "sojourn.core.proof", "cryptography"}
    code = (
        "import asyncio, sys, sojourn, sojourn.asgi\n"
        "from sojourn.stores.memory import AsyncMemoryStore\n"
        "async def main():\n"
        "    manager = sojourn.AsyncSessionManager(AsyncMemoryStore())\n"
        "    app = sojourn.asgi.SessionMiddleware(None, manager, script_readable_tokens=True)\n"
        "    session = manager.anonymous(); session.login('ada')\n"
        "    token = (await manager.commit(session)).token.reveal()\n"
        "    assert (await manager.open(token)).user_id == 'ada'\n"
        "asyncio.run(main())\n"
        f"print({loaded!r} & set(sys.modules))\n"
    )

    assert run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
