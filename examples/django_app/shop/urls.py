"""The shop's pages. Nothing in them is Sojourn's but the endpoints at the end."""

from __future__ import annotations

import json
from pathlib import Path

from django.contrib import admin
from django.contrib.auth import authenticate, login
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import include, path
from django.views.decorators.http import require_POST

from sojourn.django import manager

# The page that all examples share; to Django's users a user's id is a number, so this one greets by name.
PAGE = Path(__file__).parents[2] / "browser.html"
HTML = PAGE.read_text("utf-8").replace('userId ?? "stranger"', 'data.name ?? "stranger"')


def page(request: HttpRequest) -> HttpResponse:
    return HttpResponse(HTML)


@require_POST
def sign_in(request: HttpRequest) -> HttpResponse:
    form = json.loads(request.body)
    user = authenticate(request, username=form["user"], password=form["password"])
    if user is None:
        return JsonResponse({"detail": "This name and password do not go together."}, status=403)
    login(request, user)
    request.session["name"] = user.get_username()
    if form.get("remember"):
        request.session.set_expiry(7 * 86400)
    return HttpResponse(status=204)


@require_POST
def add_to_bag(request: HttpRequest, item: str) -> HttpResponse:
    """Works without a log-in too; a log-in takes the bag along."""
    bag = request.session.setdefault("bag", [])
    bag.append(item)
    return JsonResponse(bag, safe=False)


@login_required
def account(request: HttpRequest) -> HttpResponse:
    devices = manager().list(str(request.user.pk))
    return JsonResponse({"user": request.user.get_username(), "devices": len(devices)})


urlpatterns = [
    path("", page),
    path("login", sign_in),
    path("bag/<item>", add_to_bag),
    path("account", account),
    path("admin/", admin.site.urls),
    path("session/", include("sojourn.django.urls")),
]
