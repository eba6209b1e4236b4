"""The project for servers: `wsgi` and `asgi`."""

from __future__ import annotations

import os

from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.django.project.settings")
# Of two servers each serves one of these.
wsgi = get_wsgi_application()
asgi = get_asgi_application()
