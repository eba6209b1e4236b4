"""A Django project that moves: `python django_move.py FOLDER REDIS_URL ENGINE` prints what its browsers saw, as JSON.

First its sessions are Django's own, by ENGINE; then it has SESSION_ENGINE = "sojourn.django" and an adoption.
"""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import path

from sojourn import AsyncSessionManager, SessionManager
from sojourn.adopt import Adoption, DjangoSessions
from sojourn.stores.memory import AsyncMemoryStore, MemoryStore

folder, redis_url, engine = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
OLD = f"django.contrib.sessions.backends.{engine}"
BOMB = folder / "hit"
SECONDS = [0]

MIDDLEWARE = [
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
]
STORE = MemoryStore()


def clock() -> int:
    return int((datetime.now(UTC).timestamp() + SECONDS[0]) * 1000)


manager = SessionManager(STORE, clock=clock)

settings.configure(
    SECRET_KEY="the old key " * 5,
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "db.sqlite3")}},
    CACHES={"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": redis_url}},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "django.contrib.messages",
        "django.contrib.sessions",
    ],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", *MIDDLEWARE],
    PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    SESSION_ENGINE=OLD,
    SESSION_COOKIE_AGE=86400,
    MESSAGE_STORAGE="django.contrib.messages.storage.session.SessionStorage",
)
django.setup()

from django.contrib import messages  # noqa: E402
from django.contrib.auth import authenticate, login, logout  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.cache import caches  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.signing import JSONSerializer  # noqa: E402
from django.test import Client, override_settings  # noqa: E402

NAMES = ("ada", "bob", "eve", "gone", "late", "later", "away")


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (BOMB,)


class PickleSerializer:
    """What Django had until 5.0. It plants a bomb."""

    def dumps(self, obj: Any) -> bytes:
        import pickle

        return pickle.dumps({**obj, "bomb": Bomb()})

    def loads(self, data: bytes) -> Any:
        return JSONSerializer().loads(b"{}")


def enter(request: HttpRequest) -> JsonResponse:
    user = authenticate(request, username=request.GET["user"], password="sesame")
    login(request, user)
    request.session["cart"] = ["tea", {"n": 1.5}]
    messages.info(request, "Welcome.")
    return JsonResponse({})


def me(request: HttpRequest) -> JsonResponse:
    user = request.user.get_username() or None
    return JsonResponse({"user": user, "cart": request.session.get("cart")})


def leave(request: HttpRequest) -> JsonResponse:
    logout(request)
    return JsonResponse({})


def seen(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"messages": [str(message) for message in messages.get_messages(request)]})


def blow(request: HttpRequest) -> JsonResponse:
    request.session["bomb"] = Bomb()
    return JsonResponse({})


urlpatterns = [
    path("enter", enter),
    path("me", me),
    path("leave", leave),
    path("seen", seen),
    path("blow", blow),
]


def before(user: str, *pages: str, **changed: Any) -> str:
    """The cookie of a browser that logged in before the move."""
    with override_settings(**changed):
        client = Client()
        client.get("/enter", {"user": user})
        for page in pages:
            client.get(page)
        return client.cookies["sessionid"].value


def after(cookie: str) -> Client:
    """That browser, after the move."""
    client = Client()
    client.cookies["sessionid"] = cookie
    return client


def see(cookie: str) -> Any:
    return after(cookie).get("/me").json()


def run() -> dict[str, Any]:
    call_command("migrate", verbosity=0)
    for name in (*NAMES, "boom"):
        User.objects.create_user(name, password="sesame")
    old = {name: before(name) for name in NAMES}
    bombed = bombs()
    User.objects.get(username="eve").delete()
    User.objects.filter(username="gone").update(is_active=False)
    bob = User.objects.get(username="bob")
    bob.set_password("another")
    bob.save()

    adoption = Adoption(DjangoSessions(OLD), until=datetime.now(UTC) + timedelta(days=30))
    moved = {
        "SESSION_ENGINE": "sojourn.django",
        "MIDDLEWARE": ["sojourn.django.SessionMiddleware", *MIDDLEWARE],
        "INSTALLED_APPS": [*settings.INSTALLED_APPS, "sojourn.django"],
        "SOJOURN": {"store": f"{__name__}.manager", "adopt": adoption},
    }
    with override_settings(**moved):
        return look(old, bombed, adoption)


def bombs() -> list[str]:
    if engine == "cache":
        return [before("boom", "/blow")]
    return [before("boom", SESSION_SERIALIZER=f"{__name__}.PickleSerializer")]


def look(old: dict[str, str], bombed: list[str], adoption: Adoption) -> dict[str, Any]:
    found: dict[str, Any] = {}
    browser = after(old["ada"])
    found["first"] = browser.get("/me").json()
    cookie = browser.cookies["sessionid"]
    found["cookie"] = cookie.value[:4], cookie["httponly"], cookie["path"]
    found["second"] = browser.get("/me").json()
    found["messages"] = browser.get("/seen").json()["messages"], browser.get("/seen").json()["messages"]
    [record] = [record for record in STORE.scan("", 99) if record.user_id and not record.ended_at]
    found["record"] = record.user_id == str(User.objects.get(username="ada").pk), record.authenticated_at
    hours = (record.absolute_expires_at - clock()) / 3600_000
    found["hours"] = round(hours, 1)
    found["refused"] = [see(old[name])["user"] for name in ("bob", "eve", "gone")]
    found["forged"] = [see(value)["user"] for value in forged(old["late"])]
    found["pickles"] = [see(value)["user"] for value in bombed]
    found["bomb"] = BOMB.exists()
    found["rows"] = len(STORE.scan("", 99))
    browser.get("/leave")
    SECONDS[0] += 61
    found["replayed"] = see(old["ada"])
    found["elsewhere"] = asyncio.run(elsewhere(old["late"], adoption))
    found["away"] = away(old["away"])
    found["expired"] = expired(old["later"])
    return found


def forged(good: str) -> list[str]:
    """What Django itself would not take."""
    flipped = good[:-1] + ("a" if good[-1] != "a" else "b")
    return [flipped, "0" * 32, good.upper() + "x", "../" * 9, "", "sj1-" + "0" * 97, good[: len(good) // 2]]


async def elsewhere(cookie: str, adoption: Adoption) -> Any:
    """The same old cookie in an ASGI application that is not Django."""
    other = AsyncSessionManager(AsyncMemoryStore())
    adopted = await adoption.open_async(other, f"sessionid={cookie}".encode())
    return None if adopted is None else (adopted.session.user_id is not None, adopted.session["cart"])


def away(cookie: str) -> Any:
    """While the cache does not answer, and after it."""
    cache = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:9"}
    with override_settings(CACHES={"default": cache}):
        answer = after(cookie).get("/me")
    return answer.status_code, see(cookie)["user"]


def expired(cookie: str) -> Any:
    """A day later: a user who comes too late."""
    SECONDS[0] += 86_500
    if engine == "cache":  # Redis has a clock of its own
        caches["default"].touch(f"django.contrib.sessions.cache{cookie}", 0)
    return see(cookie)["user"]


if __name__ == "__main__":
    sys.modules["django_move"] = sys.modules["__main__"]
    sys.stdout.write(json.dumps(run()))
