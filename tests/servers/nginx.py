"""nginx, with a configuration of the test's own, or as a cache that all visitors of a site share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from tests.servers.port import find_port
from tests.servers.proxy_program import ProxyProgram

__all__ = ["Nginx", "NginxServer"]


class NginxServer(ProxyProgram):
    """What `http` says, the inside of nginx's block of that name, which listens at `port` of 127.0.0.1."""

    def __init__(self, folder: Path, port: int, http: str) -> None:
        folder.mkdir()
        self.port = port
        nginx = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin")
        assert nginx is not None, "apt-get install nginx-light"
        temporary = "".join(
            f"{name}_temp_path {folder}/{name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        # Its folder is the test's own: another user gets nowhere in it.
        user = "user root;" if os.geteuid() == 0 else ""
        config = folder / "nginx.conf"
        config.write_text(
            f"""
            daemon off; {user} pid {folder}/nginx.pid; error_log {folder}/log; worker_processes 1;
            events {{ }}
            http {{ access_log off; {temporary} {http} }}
            """
        )
        words = [nginx, "-c", str(config), "-e", str(folder / "log"), "-p", str(folder)]
        super().__init__(words, folder, self.port)

    @property
    def pid(self) -> int:
        """Its first process, whose children answer."""
        return self._process.pid


class Nginx(NginxServer):
    """Keeps for ten minutes every answer of the site at `origin` that it may (RFC 9111); `more` goes into its location.

    That is all of its paths, or those below `prefix` ("/shop"), which the site is not told. Paths below one of `beside`
    are another site's, and not kept.
    `x-cache` says of each answer whether it was kept: HIT, MISS, or BYPASS.
    """

    def __init__(
        self,
        folder: Path,
        origin: str,
        more: str = "",
        *,
        prefix: str = "",
        beside: Mapping[str, str] | None = None,
    ) -> None:
        # With a path of its own nginx sends on what comes after the location's.
        origin += "/" if prefix else ""
        port = find_port()
        others = "".join(
            f"location {path}/ {{ proxy_pass {site}; proxy_set_header Host $http_host; }}"
            for path, site in (beside or {}).items()
        )
        super().__init__(
            folder,
            port,
            f"""
            proxy_cache_path {folder}/kept keys_zone=kept:1m;
            server {{
                listen 127.0.0.1:{port};
                {others}
                location {prefix}/ {{
                    proxy_pass {origin};
                    proxy_set_header Host $http_host;
                    proxy_cache kept;
                    proxy_cache_key $request_uri;
                    proxy_cache_valid any 10m;
                    add_header X-Cache $upstream_cache_status always;
                    {more}
                }}
            }}
            """,
        )
