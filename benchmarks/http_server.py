"""The shop behind a real HTTP server, uvicorn with uvloop: `python -m benchmarks.http_server PORT PEER [URL]`."""

from __future__ import annotations

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn
import uvloop

from .network_peers import at
from .peers import PEERS
from .shop import open_shop

__all__ = ["main"]


async def _serve(port: int, name: str, url: str | None) -> None:
    peer = at(name, url) if url else next(peer for peer in PEERS if peer.name == name)
    with TemporaryDirectory() as folder:
        async with AsyncExitStack() as stack:
            app, _ = await open_shop(peer, Path(folder), stack)
            # Browsers wait for their turn.
            config = uvicorn.Config(
                app, port=port, http="httptools", lifespan="off", log_level="warning", timeout_keep_alive=600
            )
            await uvicorn.Server(config).serve()


def main() -> None:
    """Serve until told to end."""
    port, name, *url = sys.argv[1:]
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(int(port), name, url[0] if url else None))


if __name__ == "__main__":
    main()
