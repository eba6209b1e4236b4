"""SojournConfig: the application `sojourn.django`, for INSTALLED_APPS: checks, the command, the page of devices."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig, apps
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS
from django.db.models.signals import post_migrate

__all__ = ["SojournConfig"]


class SojournConfig(AppConfig):
    """What Django knows this package by."""

    name = "sojourn.django"
    label = "sojourn"
    verbose_name = "Sojourn"

    def ready(self) -> None:
        """Register the checks, go along with `manage.py migrate`, and with allauth's list of sessions."""
        from . import checks

        checks.register()
        post_migrate.connect(_migrate, dispatch_uid="sojourn")
        if settings.SESSION_ENGINE == checks.ENGINE and apps.is_installed("allauth.usersessions"):
            from .usersessions import ask_the_store

            ask_the_store()


def _migrate(*, sender: AppConfig, using: str, verbosity: int = 1, stdout: Any = None, **_: Any) -> None:
    # It is sent once for each application with models: here for the first.
    first = next(each for each in apps.get_app_configs() if each.models_module is not None)
    if sender is not first or using != DEFAULT_DB_ALIAS:
        return
    from .tables import bring_tables_up

    for applied in bring_tables_up():
        if verbosity >= 1 and stdout is not None:
            stdout.write(f"  Sojourn: applied {applied}\n")
