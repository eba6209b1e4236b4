"""The project's settings. Its database and its sessions are in the folder PROJECT_FOLDER."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

FOLDER = Path(os.environ["PROJECT_FOLDER"])
# "ours" or "django": which SessionMiddleware.
LAYER = os.environ.get("PROJECT_LAYER", "django")
MIDDLEWARES = {
    "django": "django.contrib.sessions.middleware.SessionMiddleware",
    "ours": "sojourn.django.SessionMiddleware",
}

SECRET_KEY = "a secret of tests alone, and long enough for Django"
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]
USE_TZ = True
ROOT_URLCONF = "tests.django.project.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
LOGIN_URL = "/login"
LOGIN_REDIRECT_URL = "/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
MESSAGE_STORAGE = "django.contrib.messages.storage.session.SessionStorage"
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
    MIDDLEWARES[LAYER],
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
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
            ],
        },
    }
]
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": FOLDER / "db.sqlite3"}}

SESSION_ENGINE = "sojourn.django"
SOJOURN = {
    "store": os.environ.get("PROJECT_STORE", f"sqlite:///{FOLDER / 'sessions.sqlite3'}"),
    "readable": ["cart"],
    "writable": ["theme"],
}
