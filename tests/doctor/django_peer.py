"""A cart on Django's own sessions, in the database, with its own log-in: python django_peer.py PORT."""

from __future__ import annotations

import sys
import time

import django
import waitress  # type: ignore[import-untyped]
from django.conf import settings

settings.configure(
    SECRET_KEY="not a secret",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    # One database for all threads: gone with the process.
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.sqlite3",
            "NAME": "file:shop?mode=memory&cache=shared",
            "OPTIONS": {"uri": True},
        }
    },
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"],
    MIDDLEWARE=[
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.auth.middleware.AuthenticationMiddleware",
    ],
)
django.setup()

from django.contrib import auth  # noqa: E402  # models need settings
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpRequest, JsonResponse  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.csrf import ensure_csrf_cookie  # noqa: E402
from django.views.decorators.http import require_POST  # noqa: E402


@require_POST
def log_in(request: HttpRequest) -> JsonResponse:
    auth.login(request, User.objects.get(username="ada"))
    return JsonResponse({})


@ensure_csrf_cookie
def cart(request: HttpRequest) -> JsonResponse:
    items = request.session.get("cart", [])
    if request.method == "POST":
        time.sleep(0.8 if request.path == "/slow" else 0.05)
        request.session["cart"] = items = [*items, request.POST["item"]]
    return JsonResponse(items, safe=False)


@require_POST
def log_out(request: HttpRequest) -> JsonResponse:
    auth.logout(request)
    return JsonResponse({})


urlpatterns = [path("login", log_in), path("cart", cart), path("slow", cart), path("logout", log_out)]

if __name__ == "__main__":
    call_command("migrate", verbosity=0)
    User.objects.create(username="ada")
    waitress.serve(get_wsgi_application(), listen=f"localhost:{sys.argv[1]}", threads=24)
