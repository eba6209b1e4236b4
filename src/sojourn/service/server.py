"""The server: sockets, processes, and uvicorn between them and a Service."""

from __future__ import annotations

import gc
import logging
import os
import resource
import signal
import socket
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.supervisors import Multiprocess

from sojourn.admin.operators import REALM
from sojourn.admin.page import MOUNT as ADMIN
from sojourn.asgi import BrowserEndpoints, SessionMiddleware
from sojourn.asgi.types import App
from sojourn.core.async_store import AsyncStore
from sojourn.manager import AsyncSessionManager
from sojourn.manager.context import AsyncBeforeCreate
from sojourn.stores.store_url import StoreURL, open_async_store, open_store

from .application import Service
from .audited import listener, note_start, opened_trail
from .bounded_protocol import BoundedProtocol
from .edge import Edge
from .exposition import Exposition, shared_folder
from .keyring import Keyring
from .keys import real_path
from .listening_socket import bind_tcp, bind_unix
from .log import set_up_logging
from .operators import KeyFile, KeyOperators
from .settings import BrowserSettings, ServiceSettings, place_of
from .visitor_keys import VisitorKeys

if TYPE_CHECKING:
    from sojourn.admin.admin_pages import AdminPages
    from sojourn.audit.trail import AuditTrail
    from sojourn.manager import OnEvent
    from sojourn.metrics import Metrics

__all__ = ["build", "run"]

logger = logging.getLogger("sojourn.service")

GRACEFUL = 10
# Longer than a back end's pool keeps a connection that it does not use: the one who closes should be the one who asks.
KEEP_ALIVE = 75
MAX_FILES = 65_536
# Sooner than a back end gives up, which is after two seconds: so that it is told why.
STORE_WITHIN = 1.5


def build(settings: ServiceSettings, before_create: AsyncBeforeCreate | None) -> App:
    """The application of one process, inside its event loop."""
    set_up_logging(settings.log.level, settings.log.format)
    store = open_async_store(settings.store, timeout=STORE_WITHIN)
    trail = opened_trail(settings)
    on_event = listener(settings, trail)
    manager = AsyncSessionManager(
        store,
        settings.policy,
        realm=settings.realm,
        on_event=on_event,
        before_create=before_create,
    )
    metrics = _metrics() if settings.metrics else None
    if metrics is not None:
        manager = metrics.observe(manager)
    browser = settings.browser or BrowserSettings()
    # A proof is for one URL, and no header says which that is.
    can_verify = settings.policy.binding == "off" or browser.public_origin is not None
    keys = Keyring(Path(settings.keys))
    service = Service(
        store,
        manager,
        keys,
        edge=Edge(keys, partial(_sessions, settings, manager) if can_verify else None, browser.trusted_origins),
        cookie=settings.cookie,
        visitor_keys=VisitorKeys(
            place_of(settings),
            binds_cookies=browser.bind_cookies,
            all_must_be=settings.policy.binding == "require",
        ),
        browser=partial(_browser, settings) if settings.browser else None,
        mount=settings.browser.mount if settings.browser else "",
        exposition=Exposition(keys, metrics) if metrics else None,
        admin=_admin(settings, store, manager, keys, on_event, trail) if settings.admin else None,
    )
    # What is there now stays: the collector need not look at it again.
    gc.freeze()
    return service


def _metrics() -> Metrics:
    from sojourn.metrics import Metrics  # here: prometheus-client may be missing, and looks for its folder now

    return Metrics()


def _admin(
    settings: ServiceSettings,
    store: AsyncStore,
    manager: AsyncSessionManager,
    keys: Keyring,
    on_event: OnEvent,
    trail: AuditTrail | None,
) -> AdminPages:
    from sojourn.admin.admin_pages import POLICY, AdminPages  # here: most services have no such page
    from sojourn.admin.desk import Desk

    logger.warning("the page for operators is on, at %s: for whoever has a key of the scope operator", ADMIN)
    file = KeyFile(Path(settings.keys))
    desk = Desk(store, manager, KeyOperators(keys), policy=settings.policy, keys=file, trail=trail)
    own = AsyncSessionManager(store, POLICY, realm=REALM, on_event=on_event)
    return AdminPages(desk, own, behind=partial(_behind_proxies, settings))


def _browser(settings: ServiceSettings, manager: AsyncSessionManager) -> App:
    assert settings.browser is not None
    browser = settings.browser
    endpoints = BrowserEndpoints(
        readable=browser.readable,
        writable=browser.writable,
        reauthenticate_within=browser.reauthenticate_within or None,
    )
    return _behind_proxies(settings, _sessions(settings, manager, endpoints))


def _behind_proxies(settings: ServiceSettings, app: App) -> App:
    # Browsers come through a proxy, which tells who they are. To a unix socket nobody comes from elsewhere.
    trusted = "*" if settings.uds else os.environ.get("FORWARDED_ALLOW_IPS", "127.0.0.1,::1")
    return ProxyHeadersMiddleware(app, trusted_hosts=trusted)


def _sessions(settings: ServiceSettings, manager: AsyncSessionManager, app: App) -> App:
    """`app` with the visitor's session around it, as the settings say for browsers."""
    browser = settings.browser or BrowserSettings()
    return SessionMiddleware(
        app,
        manager,
        cookie=settings.cookie,
        trusted_origins=browser.trusted_origins,
        script_readable_tokens=browser.script_readable_tokens,
        public_origin=browser.public_origin,
        endpoints_path=browser.mount,
        cleanup_interval=None,
    )


def run(settings: ServiceSettings, before_create: AsyncBeforeCreate | None) -> None:
    """Run the service until SIGTERM or Ctrl+C, which let requests under way finish, for ten seconds at most."""
    _allow_many_connections()
    set_up_logging(settings.log.level, settings.log.format)
    with closing(open_store(StoreURL.parse(settings.store).bare)) as store:
        # One read, which raises what is wrong: no server, no access, tables that are not there yet.
        store.get("0" * 32)
    note_start(settings)
    uds = real_path(Path(settings.uds)) if settings.uds else None
    listener = bind_unix(uds) if uds else bind_tcp(settings.host, settings.port)
    config = uvicorn.Config(
        partial(build, settings, before_create),
        factory=True,
        http=BoundedProtocol,
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        workers=settings.workers,
        timeout_graceful_shutdown=GRACEFUL,
        timeout_keep_alive=KEEP_ALIVE,
    )
    scheme = StoreURL.parse(settings.store).scheme
    told = {"at": _place(settings, listener), "store": scheme, "workers": settings.workers}
    logger.info("listening", extra={"told": told})
    try:
        with shared_folder(settings.metrics and settings.workers > 1):
            _serve(config, listener)
    finally:
        if uds:
            uds.unlink(missing_ok=True)
    logger.info("stopped")


def _serve(config: uvicorn.Config, listener: socket.socket) -> None:
    if config.workers > 1:
        Multiprocess(config, sockets=[listener]).run()
        return
    # uvicorn stops gracefully, then raises the signal once more, which would end us in the middle of things.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listener])


def _place(settings: ServiceSettings, listener: socket.socket) -> str:
    if settings.uds:
        return f"unix:{settings.uds}"
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"http://{host}:{listener.getsockname()[1]}"


def _allow_many_connections() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_FILES)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
