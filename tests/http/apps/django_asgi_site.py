"""The site, in Django, for ASGI servers."""

from __future__ import annotations

from django.core.asgi import get_asgi_application

from tests.http.apps import django_site

__all__ = ["app", "django_site"]

app = get_asgi_application()
