"""`sojourn admin`: the page for operators, on this machine, for a store of any application."""

from __future__ import annotations

import hmac
import os
import secrets
import signal
import socket
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec.structs import replace

from sojourn.admin.operators import Operator
from sojourn.audit.operator import operator
from sojourn.audit.trail import AuditTrail
from sojourn.core.errors import ConfigurationError
from sojourn.core.extras import install
from sojourn.manager import milliseconds

from .audit_option import audit_option, audited
from .exit import Exit
from .store_option import existing_store, realm_option, store_option

if TYPE_CHECKING:
    from sojourn.asgi.types import App, Receive, Scope, Send

__all__ = ["admin"]


@click.command()
@store_option
@realm_option
@click.option(
    "--keys",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="SOJOURN_KEYS",
    show_envvar=True,
    help="The service's API keys, to look after them there too.",
)
@audit_option
@click.option("--port", type=click.IntRange(0, 65535), default=8200, show_default=True, help="0 takes a free one.")
def admin(url: str, realm: str, keys: Path | None, audit: str | None, port: int) -> int:
    """Show a page for operators on this machine, until Ctrl-C. Needs the extra `service`.

    It prints the address with a link that signs in once, and a key for what comes later.
    """
    existing_store(url).close()
    try:
        import uvicorn

        from sojourn.service.listening_socket import bind_tcp
    except ModuleNotFoundError as error:
        raise ConfigurationError(f"The page needs {error.name}: {install('service')}") from None
    with bind_tcp("127.0.0.1", port) as listener, audited(audit) as trail:
        somebody = Somebody()
        place = f"http://localhost:{listener.getsockname()[1]}/admin"
        click.echo(f"Sojourn for operators: {place}  (Ctrl+C stops it)")
        click.echo(f"  Sign in, once: {place}/sign-in?code={somebody.code}")
        click.echo(f"  The key, later and for grave steps: {somebody.key}")
        config = uvicorn.Config(
            partial(_application, url, realm, keys, somebody, listener, trail),
            factory=True,
            http="httptools",
            log_level="warning",
            proxy_headers=False,
            timeout_graceful_shutdown=3,
        )
        # uvicorn stops gracefully, then raises the signal once more, which would end us in the middle of things.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listener])
    return Exit.DONE


class Somebody:
    """Who started the program: by a key and a one-time code of this run."""

    def __init__(self) -> None:
        from sojourn.service.keys import make_key
        from sojourn.service.operators import operator_of

        me = operator()
        self._key, self.key = make_key(me.removeprefix("cli:"), ["operator"], milliseconds(), os.urandom)
        self._operator = replace(operator_of(self._key), actor=me)
        self.code = secrets.token_urlsafe(32)
        self._is_used = False

    def enter(self, key: str) -> Operator | None:
        """As Operators.enter."""
        from sojourn.service.keys import take_apart

        found = take_apart(key.encode())
        return self._operator if found and self._key.opened_by(found[1], milliseconds()) else None

    def find(self, id: str) -> Operator | None:
        """As Operators.find."""
        return self._operator if id == self._operator.id else None

    def redeem(self, code: str) -> Operator | None:
        """As Operators.redeem."""
        if self._is_used or not hmac.compare_digest(self.code.encode(), code.encode()):
            return None
        self._is_used = True
        return self._operator


def _application(
    url: str,
    realm: str,
    keys: Path | None,
    somebody: Somebody,
    listener: socket.socket,
    trail: AuditTrail | None,
) -> App:
    from sojourn.admin.admin_pages import POLICY, AdminPages
    from sojourn.admin.desk import Desk
    from sojourn.admin.operators import REALM
    from sojourn.manager import AsyncSessionManager
    from sojourn.service.operators import KeyFile
    from sojourn.stores.store_url import StoreURL, open_async_store

    port = listener.getsockname()[1]
    store = open_async_store(StoreURL.parse(url).bare)
    manager = AsyncSessionManager(store, realm=realm, on_event=trail)
    desk = Desk(store, manager, somebody, policy=None, keys=KeyFile(keys) if keys else None, trail=trail)
    # The operator's own session is this program's, and ends with it.
    own = AsyncSessionManager(open_async_store("memory:"), POLICY, realm=REALM, on_event=trail)
    pages = AdminPages(desk, own, hosts=[f"localhost:{port}", f"127.0.0.1:{port}"])

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].startswith("/admin"):
            await pages(scope, receive, send)
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 307, "headers": [(b"location", b"/admin")]})
            await send({"type": "http.response.body", "body": b""})
        elif scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await pages.close()
            await manager.close()
            await send({"type": "lifespan.shutdown.complete"})

    return application
