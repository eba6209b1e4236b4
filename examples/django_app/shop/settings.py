"""Settings as `django-admin startproject` writes them, with what Sojourn needs at the end."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sojourn import Lifetime, Policy

FOLDER = Path(os.environ.get("SHOP_FOLDER", Path(__file__).parents[1]))

SECRET_KEY = "of an example: yours comes from the environment"
DEBUG = True
ALLOWED_HOSTS = ["localhost", "127.0.0.1"]
ROOT_URLCONF = "shop.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
USE_TZ = True
LOGIN_URL = "/admin/login/"
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "db.sqlite3"}}
INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "sojourn.django",
]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    # In the place of Django's own. As there is no CsrfViewMiddleware here, it refuses other sites' requests itself:
    # this page sends JSON. The admin's forms bring their own protection.
    "sojourn.django.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]

SESSION_ENGINE = "sojourn.django"
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SOJOURN = {
    "store": f"sqlite:///{FOLDER / 'sessions.sqlite3'}",
    "policy": Policy(
        idle_timeout=15 * 60,
        absolute_timeout=8 * 3600,
        remember=Lifetime(idle_timeout=7 * 86400, absolute_timeout=30 * 86400),
        max_sessions=5,
    ),
    "writable": ["theme"],
    "readable": ["bag", "name"],
}
