"""Django, with django-cors-headers before the session's middleware."""

from __future__ import annotations

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import include, path

from tests.browser.cors import place

settings.configure(
    SECRET_KEY="a secret of tests alone, and long enough for Django",
    ALLOWED_HOSTS=["localhost", "127.0.0.1"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    INSTALLED_APPS=["corsheaders", "sojourn.django"],
    MIDDLEWARE=["corsheaders.middleware.CorsMiddleware", "sojourn.django.SessionMiddleware"],
    CORS_ALLOWED_ORIGINS=place.ALLOWED,
    CORS_ALLOW_CREDENTIALS=True,
    CORS_ALLOW_HEADERS=place.HEADERS,
    CORS_EXPOSE_HEADERS=place.EXPOSED,
    SESSION_ENGINE="sojourn.django",
    SESSION_COOKIE_NAME=place.COOKIE.name,
    SESSION_COOKIE_SECURE=True,
    SESSION_COOKIE_SAMESITE=place.SAME_SITE.capitalize(),
    SOJOURN={
        "store": place.STORE,
        "writable": place.WRITABLE,
        "trusted_origins": place.OPTIONS["trusted_origins"],
        "script_readable_tokens": True,
    },
)


def login(request: HttpRequest) -> JsonResponse:
    from sojourn.django import session_of

    session_of(request).login("ada")
    return JsonResponse({})


urlpatterns = [path("login", login), path("session/", include("sojourn.django.urls"))]
app = get_wsgi_application()
