"""The server: a socket, a site, and uvicorn between them."""

from __future__ import annotations

import errno
import socket
import sys
from contextlib import suppress
from pathlib import Path

import uvicorn

from sojourn.core.errors import ConfigurationError
from sojourn.core.loopback import is_loopback
from sojourn.stores.store_url import StoreURL

from .demo_store import check_store, name_of
from .site import make_site

__all__ = ["run"]


def run(
    host: str,
    port: int,
    store: str,
    users: Path,
    idle_timeout: float,
    absolute_timeout: float,
    insecure_cookies: bool,
) -> None:
    """As sojourn.demo.serve."""
    with bind(host, port) as listener:
        check_store(store)
        here = f"{shown(host)}:{listener.getsockname()[1]}"
        site = make_site(store, users, idle_timeout, absolute_timeout, insecure_cookies, origins(here))
        place = StoreURL.parse(store).path or name_of(store)
        write(f"Sojourn demo: http://{here}  (Ctrl+C stops it; sessions in {place})")
        if not insecure_cookies:
            write("  Safari keeps no cookie of a page over plain http: for Safari, start it with --insecure-cookies.")
        if not insecure_cookies and not is_loopback(host):
            write(
                "  Browsers keep its Secure cookies on this machine only: from another one, use an HTTPS proxy, or "
                "--insecure-cookies in a network that you trust."
            )
        config = uvicorn.Config(
            site, http="httptools", log_level="warning", proxy_headers=False, timeout_graceful_shutdown=3
        )
        # uvicorn shuts down gracefully, then hands Ctrl+C on.
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])


def bind(host: str, port: int) -> socket.socket:
    """A socket that listens at `host` and `port`; port 0 takes a free one."""
    listener = None
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        if sys.platform != "win32":
            # There it would let two programs share a port; elsewhere it allows a restart at once.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(128)
    except (OSError, OverflowError) as error:
        if listener is not None:
            listener.close()
        raise ConfigurationError(_refusal(host, port, error)) from None
    return listener


def _refusal(host: str, port: int, error: Exception) -> str:
    if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
        return f"Port {port} is taken by another program. Choose another: sojourn demo --port {port + 1}"
    if isinstance(error, PermissionError):
        return f"Port {port} is not allowed to you. Choose one above 1023: sojourn demo --port 8000"
    return f"The demo cannot listen at {host}, port {port}: {getattr(error, 'strerror', None) or error}."


def shown(host: str) -> str:
    """`host` as a browser on this machine would spell it."""
    if host in ("", "0.0.0.0", "::"):  # noqa: S104  # compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


def origins(here: str) -> list[str]:
    """What browsers on this machine may call the demo, by the host and port that are shown first."""
    port = here.rpartition(":")[2]
    hosts = (here, f"127.0.0.1:{port}", f"localhost:{port}")
    return list(dict.fromkeys(f"http://{host.removesuffix(':80')}" for host in hosts))


def write(line: str) -> None:
    """Say something where the demo was started."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
