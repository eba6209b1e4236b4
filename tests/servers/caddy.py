"""Caddy, with a Caddyfile of the test's own."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.servers.proxy_program import ProxyProgram

__all__ = ["Caddy"]


class Caddy(ProxyProgram):
    """What `sites` say, which listen at `port` of 127.0.0.1."""

    def __init__(self, folder: Path, port: int, sites: str) -> None:
        folder.mkdir()
        caddy = shutil.which("caddy")
        assert caddy is not None, "apt-get install caddy"
        config = folder / "Caddyfile"
        config.write_text(f"{{\n\tadmin off\n\tdefault_bind 127.0.0.1\n}}\n{sites}")
        # It keeps what it last ran, and certificates, below its user's home.
        words = ["env", f"HOME={folder}", caddy, "run", "--config", str(config), "--adapter", "caddyfile"]
        super().__init__(words, folder, port)
