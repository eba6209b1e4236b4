"""A session service at the time of tests/vectors/proofs.json, with the session that their token opens."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import uvicorn

from sojourn import AsyncSessionManager, Policy
from sojourn.core.record import Record, Secrets
from sojourn.core.store import Create
from sojourn.core.token import parse
from sojourn.service.application import Service
from sojourn.service.edge import Edge
from sojourn.service.keyring import Keyring
from sojourn.stores.sqlite import AsyncSQLiteStore, SQLiteStore

VECTORS = json.loads((Path(__file__).parents[2] / "tests" / "vectors" / "proofs.json").read_text("utf-8"))
NOW: int = VECTORS["now"]


def bound() -> Record:
    """The session, as a log-in with the vectors' key made it."""
    token = parse(VECTORS["token"])
    assert token is not None
    return Record(
        id=token.id,
        secrets=Secrets(token.family, token.hash, NOW),
        created_at=NOW,
        seen_at=NOW,
        idle_timeout=1_800_000,
        absolute_expires_at=NOW + 43_200_000,
        user_id="ada",
        authenticated_at=NOW,
        key_thumbprint=VECTORS["thumbprint"],
        nonce_key=VECTORS["nonce_key"],
    )


if __name__ == "__main__":
    file, keys, port = sys.argv[1:]
    SQLiteStore(file).create(Create(record=bound(), now=NOW, began_at=NOW))
    store = AsyncSQLiteStore(file)
    manager = AsyncSessionManager(store, Policy(binding="prefer"), clock=lambda: NOW)
    keyring = Keyring(Path(keys))
    service = Service(store, manager, keyring, edge=Edge(keyring, None, ()))
    uvicorn.run(service, port=int(port), log_level="warning")
