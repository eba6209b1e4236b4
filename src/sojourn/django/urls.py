"""URLs: `path("session/", include("sojourn.django.urls"))` mounts the page of devices and the browser's endpoints."""

from __future__ import annotations

from django.urls import path

from .devices import devices
from .endpoints import endpoints

__all__ = ["app_name", "urlpatterns"]

app_name = "sojourn"
"""The name space of the URLs: `{% url "sojourn:devices" %}`."""

urlpatterns = [
    path("devices/", devices, name="devices"),
    path("", endpoints, name="endpoints"),
    path("<path:path>", endpoints),
]
"""`devices/`, the page; all else is the browser's endpoints. docs/django.md says which settings they read."""
