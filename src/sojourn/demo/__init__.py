"""The demo: a small site that shows what Sojourn does, on any store. Run by `sojourn demo`; needs the extra `demo`."""

from __future__ import annotations

from pathlib import Path

from sojourn.core.errors import ConfigurationError
from sojourn.core.extras import install

__all__ = ["serve"]


def serve(
    host: str = "127.0.0.1",
    port: int = 8000,
    store: str = "sqlite:///sojourn-demo.sqlite3",
    users: Path = Path("sojourn-demo-users.sqlite3"),
    idle_timeout: float = 30 * 60,
    absolute_timeout: float = 12 * 3600,
    insecure_cookies: bool = False,
) -> None:
    """Serve the demo until Ctrl+C or SIGTERM. Sessions are in the store at the URL `store`, users in a file.

    The timeouts, in seconds, are those of the choice that visitors start with. `insecure_cookies` is for Safari,
    which refuses Secure cookies on http://localhost. Raises ConfigurationError where a library is missing, the port is
    taken or the store is not ready, and StoreUnavailable where that does not answer.
    """
    try:
        from .server import run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("sojourn"):
            raise
        raise ConfigurationError(f"The demo needs {error.name}: {install('demo')}") from None
    run(host, port, store, Path(users), idle_timeout, absolute_timeout, insecure_cookies)
