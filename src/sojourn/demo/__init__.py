"""The demo: a small site on SQLite that shows what Sojourn does. Run by `sojourn demo`; needs the extra `demo`."""

from __future__ import annotations

from pathlib import Path

from sojourn.errors import ConfigurationError

__all__ = ["serve"]


def serve(
    host: str = "127.0.0.1",
    port: int = 8000,
    database: Path = Path("sojourn-demo.sqlite3"),
    idle_timeout: float = 30 * 60,
    absolute_timeout: float = 12 * 3600,
    insecure_cookies: bool = False,
) -> None:
    """Serve the demo until Ctrl+C or SIGTERM. Sessions are in `database`, users in a second file beside it.

    The timeouts, in seconds, are those of the choice that visitors start with. `insecure_cookies` is for Safari,
    which refuses Secure cookies on http://localhost. Raises ConfigurationError where a library is missing or the
    port is taken.
    """
    try:
        from .server import run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("sojourn"):
            raise
        raise ConfigurationError(f"The demo needs {error.name}: pip install 'sojourn[demo]'") from None
    run(host, port, Path(database), idle_timeout, absolute_timeout, insecure_cookies)
