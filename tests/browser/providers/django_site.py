"""Django with Authlib: as docs/security.md has it, and the same under Django's own guard against CSRF."""

from __future__ import annotations

import os
from urllib.parse import urlencode

from authlib.integrations.django_client import OAuth, OAuthError  # type: ignore[import-untyped]
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

PROVIDER = os.environ["SITE_PROVIDER"]
GUARD = ["django.middleware.csrf.CsrfViewMiddleware"] if "SITE_CSRF" in os.environ else []

settings.configure(
    SECRET_KEY="a secret of tests alone, and long enough for Django",
    ALLOWED_HOSTS=["localhost"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    INSTALLED_APPS=["sojourn.django"],
    MIDDLEWARE=["sojourn.django.SessionMiddleware", *GUARD],
    SESSION_ENGINE="sojourn.django",
    SESSION_COOKIE_NAME="__Host-session",
    SESSION_COOKIE_SECURE=True,
    SOJOURN={"store": os.environ["SITE_STORE"], "cross_site_paths": {"/back"}},
)

oauth = OAuth()
provider = oauth.register(
    "provider",
    client_id="shop",
    client_secret="s",
    server_metadata_url=f"{PROVIDER}/.well-known/openid-configuration",
    client_kwargs={"scope": "openid profile"},
)


def show(request: HttpRequest) -> HttpResponse:
    from sojourn.django import session_of

    session = request.session
    told = {"cart": session.get("cart", []), "userinfo": session.get("user")}
    return JsonResponse({"user": session_of(request).user_id, **told})


def add(request: HttpRequest) -> HttpResponse:
    request.session["cart"] = ["tea"]
    return HttpResponse("added")


def enter(request: HttpRequest) -> HttpResponse:
    answer: HttpResponse = provider.authorize_redirect(request, request.build_absolute_uri("/back"))
    return answer


@csrf_exempt
def back(request: HttpRequest) -> HttpResponse:
    if request.method == "POST":
        answer = HttpResponseRedirect("/back?" + urlencode([*request.POST.items()]))
        answer.status_code = 303
        return answer
    from sojourn.django import session_of

    try:
        token = provider.authorize_access_token(request)
    except OAuthError as error:
        return HttpResponse(str(error), status=403)
    session_of(request).login(token["userinfo"]["sub"])
    request.session["user"] = token["userinfo"]  # as Authlib's own examples do
    return HttpResponseRedirect("/")


urlpatterns = [path("", show), path("add", add), path("enter", enter), path("back", back)]
app = get_wsgi_application()
