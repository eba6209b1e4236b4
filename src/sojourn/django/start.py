"""Start: a wrong set-up is told when Django asks for the engine, as a server does before the first request."""

from __future__ import annotations

import logging

from django.conf import settings

from sojourn.core.errors import ConfigurationError, StoreUnavailable

__all__ = ["require_sound_setup"]

logger = logging.getLogger("sojourn")


def require_sound_setup() -> None:
    """Raise ConfigurationError for the first thing that is wrong. A store that is merely away may come yet."""
    if not settings.configured:
        return
    from django.core.checks import Error

    from . import process
    from .checks import check_setup

    wrong = [found for found in check_setup(None) if isinstance(found, Error)]
    if wrong:
        raise ConfigurationError(f"{wrong[0].msg} {wrong[0].hint or ''}".strip())
    try:
        process.wiring()
    except StoreUnavailable as error:
        logger.warning("%s", error)
