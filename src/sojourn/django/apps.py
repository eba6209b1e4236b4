"""SojournConfig: the application `sojourn.django`, for INSTALLED_APPS: checks, the command, the page of devices."""

from __future__ import annotations

from django.apps import AppConfig

__all__ = ["SojournConfig"]


class SojournConfig(AppConfig):
    """What Django knows this package by."""

    name = "sojourn.django"
    label = "sojourn"
    verbose_name = "Sojourn"

    def ready(self) -> None:
        """Register the checks."""
        from . import checks

        checks.register()
