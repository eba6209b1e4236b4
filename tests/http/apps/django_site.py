"""The site, in Django. `app` is for WSGI servers; some of its views are coroutines."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator

import django
from django.conf import settings
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import include, path

from tests.http.apps import place

settings.configure(
    SECRET_KEY="for a test",
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["sojourn.django"],
    MIDDLEWARE=["sojourn.django.SessionMiddleware"],
    SESSION_ENGINE="sojourn.django",
    SESSION_COOKIE_NAME="__Host-session",
    SESSION_COOKIE_SECURE=True,
    SESSION_EXPIRE_AT_BROWSER_CLOSE=True,
    LOGGING={
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"console": {"class": "logging.StreamHandler"}},
        "root": {"handlers": ["console"]},
    },
    SOJOURN={
        "store": "tests.http.apps.place.manager",
        "readable": place.READABLE,
        "writable": place.WRITABLE,
        **place.OPTIONS,
    },
)
django.setup()

from sojourn.django import manager, session_of  # noqa: E402  # needs the settings


def act(request: HttpRequest, action: str) -> HttpResponse:
    body = json.loads(request.body or "null")
    return JsonResponse(place.ACTIONS[action](session_of(request), body), safe=False)


def slow(request: HttpRequest, action: str, gate: str) -> HttpResponse:
    session_of(request).get("cart")
    place.Gate(gate).wait()
    return act(request, action)


async def nap(request: HttpRequest, action: str) -> HttpResponse:
    await request.session.aload()
    await asyncio.sleep(place.NAP)
    return act(request, action)


def public(_: HttpRequest) -> HttpResponse:
    return JsonResponse({})


def cached(request: HttpRequest) -> HttpResponse:
    request.session["seen"] = True
    return JsonResponse({}, headers={"Cache-Control": "public, max-age=60", "Vary": "Accept-Encoding"})


def redirect(request: HttpRequest) -> HttpResponse:
    request.session["sent"] = True
    return HttpResponseRedirect("/see/show", status=303)


def deny(request: HttpRequest) -> HttpResponse:
    request.session["denied"] = True
    raise Http404


def unwell(request: HttpRequest) -> HttpResponse:
    request.session["unwell"] = True
    return JsonResponse({}, status=503)


def come_and_go(request: HttpRequest) -> HttpResponse:
    session_of(request).start()
    request.session.save()
    session_of(request).logout()
    return JsonResponse({})


def fail(request: HttpRequest) -> HttpResponse:
    request.session["failed"] = True
    raise RuntimeError("This view is broken.")


def sessions(_: HttpRequest) -> HttpResponse:
    return JsonResponse([mine.id for mine in manager().list("nobody")], safe=False)


def stream(request: HttpRequest) -> StreamingHttpResponse:
    request.session["streamed"] = True
    return StreamingHttpResponse(iter(place.CHUNKS), content_type="text/plain")


def stream_late(request: HttpRequest) -> StreamingHttpResponse:
    request.session["streamed"] = True

    def body() -> Iterator[str]:
        for chunk in place.CHUNKS:
            yield chunk
            request.session["late"] = True

    return StreamingHttpResponse(body(), content_type="text/plain")


urlpatterns = [
    path("do/<action>", act),
    path("see/<action>", act),
    path("slow/<action>/<gate>", slow),
    path("nap/<action>", nap),
    path("public", public),
    path("cached", cached),
    path("redirect", redirect),
    path("deny", deny),
    path("unwell", unwell),
    path("come-and-go", come_and_go),
    path("fail", fail),
    path("sessions", sessions),
    path("stream", stream),
    path("stream-late", stream_late),
    path("session/", include("sojourn.django.urls")),
]

from django.core.wsgi import get_wsgi_application  # noqa: E402

app = get_wsgi_application()
manager()
