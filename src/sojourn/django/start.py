"""Start: a wrong set-up is told when Django asks for the engine, as a server does before the first request."""

from __future__ import annotations

import logging
from contextlib import suppress

from django.conf import settings

from sojourn.core.errors import ConfigurationError, StoreUnavailable

__all__ = ["require_sound_setup", "require_tables"]

logger = logging.getLogger("sojourn")


def require_sound_setup() -> None:
    """Raise ConfigurationError for the first thing that is wrong. A store that is merely away may come yet.

    So may tables that are not migrated: applications ask for the engine when they are loaded, and `manage.py migrate`,
    which makes them, loads all of them. Our middleware does not start without (see require_tables).
    """
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
    except ConfigurationError as error:
        from .tables import is_behind

        if not is_behind(error):
            raise
        logger.warning("%s With Django, manage.py migrate does it.", error)


def require_tables() -> None:
    """Raise ConfigurationError where the store cannot be used as it is: a server is about to serve."""
    from . import process

    with suppress(StoreUnavailable):
        process.wiring()
