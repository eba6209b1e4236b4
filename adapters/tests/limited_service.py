"""A session service with a limit of its own, in a few lines: nobody whose browser is called Flood gets a session."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from sojourn import Client, Policy, SessionRefused
from sojourn.service import ServiceSettings, serve


async def limit(client: Client, user_id: str | None) -> None:
    if client.user_agent.startswith("Flood"):
        raise SessionRefused(retry_after=7)


if __name__ == "__main__":
    config, port = sys.argv[1:]
    told = tomllib.loads(Path(config).read_text())
    settings = ServiceSettings(
        store=told["store"], keys=told["keys"], port=int(port), workers=2, policy=Policy(**told["policy"])
    )
    serve(settings, before_create=limit)
