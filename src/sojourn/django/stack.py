"""The middleware stack: what MIDDLEWARE names, known by the names of classes, none of which is imported for it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

__all__ = ["CSRF", "DJANGOS", "OURS", "has_middleware", "is_kind", "named"]

OURS = "sojourn.django.middleware.SessionMiddleware"
DJANGOS = "django.contrib.sessions.middleware.SessionMiddleware"
CSRF = "django.middleware.csrf.CsrfViewMiddleware"


def named(path: str) -> Any:
    """What a dotted path leads to; None where it leads nowhere, of which Django tells."""
    try:
        return import_string(path)
    except ImportError:
        return None


def is_kind(kind: Any, *wanted: str) -> bool:
    """Whether `kind` is one of these classes, or is derived from one."""
    parents = kind.__mro__ if isinstance(kind, type) else ()
    return any(f"{parent.__module__}.{parent.__qualname__}" in wanted for parent in parents)


def has_middleware(kind: str) -> bool:
    """Whether MIDDLEWARE names a class of this kind."""
    return any(is_kind(named(path), kind) for path in settings.MIDDLEWARE)
