"""The project, set up once for each worker: its own database, its own sessions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import django
import pytest
from django.conf import settings
from django.core.management import call_command

# A test module imports models, and these need the settings: the project is set up before the first one is collected.
FOLDER = TemporaryDirectory(prefix="sojourn-django-")
NAMED = {"PROJECT_FOLDER": FOLDER.name, "DJANGO_SETTINGS_MODULE": "tests.django.project.settings"}
os.environ |= NAMED
django.setup()
# Another test's process would take them for its own.
for name in NAMED:
    del os.environ[name]


@pytest.fixture(scope="session")
def project() -> Iterator[Path]:
    """The project's folder, with its database."""
    call_command("migrate", verbosity=0)
    yield Path(FOLDER.name)
    from django.db import connections

    from sojourn.django import process

    process.close()
    connections.close_all()


@contextmanager
def using(layer: str, folder: Path) -> Iterator[None]:
    """The project with one of the two SessionMiddlewares, on a store that is empty."""
    from django.test.utils import override_settings

    from tests.django.project.settings import MIDDLEWARES

    given: dict[str, Any] = settings.SOJOURN
    middleware = [MIDDLEWARES[layer] if path in MIDDLEWARES.values() else path for path in settings.MIDDLEWARE]
    sojourn = given | {"store": f"sqlite:///{folder / 'sessions.sqlite3'}"}
    with override_settings(MIDDLEWARE=middleware, SOJOURN=sojourn):
        yield


@pytest.fixture(params=["django", "ours"])
def layer(request: pytest.FixtureRequest, project: Path, tmp_path: Path) -> Iterator[str]:
    """Which SessionMiddleware the project has: Django's own, then ours."""
    with using(request.param, tmp_path):
        yield request.param


@pytest.fixture
def ours(project: Path, tmp_path: Path) -> Iterator[None]:
    """The project with our SessionMiddleware."""
    with using("ours", tmp_path):
        yield


@pytest.fixture
def ada(project: Path) -> Iterator[Any]:
    """A user of the project, and of the admin."""
    from django.contrib.auth.models import User

    user = User.objects.create_superuser("ada", "ada@example.com", "sesame")
    yield user
    User.objects.filter(pk=user.pk).delete()
