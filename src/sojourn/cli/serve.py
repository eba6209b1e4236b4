"""`sojourn serve`: the session service."""

from __future__ import annotations

from pathlib import Path

import click

from .exit import Exit

__all__ = ["serve"]


@click.command()
@click.option("--store", metavar="URL", envvar="SOJOURN_STORE", required=True, show_envvar=True)
@click.option("--keys", type=click.Path(dir_okay=False, path_type=Path), envvar="SOJOURN_KEYS", required=True)
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", type=click.IntRange(0, 65535), default=8100, show_default=True)
@click.option("--uds", type=click.Path(dir_okay=False))
def serve(store: str, keys: Path, host: str, port: int, uds: str | None) -> int:
    """Run the session service, for back ends in any language."""
    from sojourn.service.server import serve as run

    run(store, keys, host, port, uds)
    return Exit.DONE
