"""The session service: one live session for back ends in any language, over HTTP. Needs the extra `service`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from sojourn.core.errors import ConfigurationError
from sojourn.core.extras import install
from sojourn.exports import late_exports

if TYPE_CHECKING:
    from sojourn.manager.context import AsyncBeforeCreate

    from .settings import ServiceSettings

__all__ = ["ServiceSettings", "serve"]

# They bring the reader of TOML along.
__getattr__ = late_exports(__name__, {"ServiceSettings": "settings"})


def serve(settings: ServiceSettings, *, before_create: AsyncBeforeCreate | None = None) -> None:
    """Run the service until Ctrl+C or SIGTERM, which let requests under way finish, for ten seconds at most.

    `before_create` is as AsyncSessionManager's. With several workers each process imports it from its module. Raises
    ConfigurationError where a library is missing, the place to listen at is taken or the store is not ready, and
    StoreUnavailable where that does not answer.
    """
    if sys.platform == "win32":
        raise ConfigurationError("The session service is for Unix: Linux, macOS, BSD.")
    try:
        from .server import run
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("sojourn"):
            raise
        raise ConfigurationError(f"The service needs {error.name}: {install('service')}") from None
    run(settings, before_create)
