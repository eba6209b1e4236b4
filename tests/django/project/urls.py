"""The project's URLs."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from . import views

urlpatterns = [
    path("", views.home),
    path("bag", views.bag),
    path("login", views.sign_in),
    path("logout", views.sign_out),
    path("password", csrf_exempt(views.change_password)),
    path("plain", views.plain),
    path("show", views.show),
    path("broken", csrf_exempt(views.broken)),
    path("recent", views.recent),
    path("recent-awaited", views.recent_awaited),
    path("recent-class", views.Recent.as_view()),
    path("recent-class-awaited", views.RecentAwaited.as_view()),
    path("sure", views.sure),
    path("cached", views.cached),
    path("do/<what>", views.do),
    path("ado/<what>", csrf_exempt(views.ado)),
    path("admin/", admin.site.urls),
    path("session/", include("sojourn.django.urls")),
]
