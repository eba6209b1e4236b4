"""A project as `django-admin startproject` makes it, with what docs/django.md says pasted in."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.postgres import start_postgres

ROOT = Path(__file__).parents[2]
BLOCKS = re.findall(r"^```py\n(.*?)^```$", (ROOT / "docs/django.md").read_text("utf-8"), re.MULTILINE | re.DOTALL)
SESSION = """
from django.contrib.auth.models import User
from django.test import Client
from sojourn.django import manager
"""


class Project:
    """The project, and its manage.py."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        paths = filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")])
        self.env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
        self.env.pop("DJANGO_SETTINGS_MODULE", None)
        self._run([sys.executable, "-m", "django", "startproject", "shop", str(folder)])
        self.append("settings.py", block("# settings.py") + "\nALLOWED_HOSTS = ['*']\n")
        self.append("urls.py", block("# urls.py, at its end\nfrom django.urls"))

    def append(self, file: str, text: str) -> None:
        path = self.folder / "shop" / file
        path.write_text(f"{path.read_text()}\n{text}")

    def manage(self, *words: str, code: int = 0) -> str:
        return self._run([sys.executable, "manage.py", *words], code)

    def shell(self, text: str) -> str:
        return self.manage("shell", "--command", SESSION + text)

    def _run(self, words: list[str], code: int = 0) -> str:
        done = subprocess.run(words, cwd=self.folder, env=self.env, check=False, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr


def block(beginning: str) -> str:
    (found,) = [text for text in BLOCKS if text.startswith(beginning)]
    return str(found)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A new one, with sessions as the docs set them up."""
    return Project(tmp_path)


def test_what_the_docs_say_works_when_pasted(project: Project) -> None:
    project.manage("migrate", "--verbosity", "0")

    assert "no issues" in project.manage("check", "--database", "default", "--fail-level", "WARNING")
    told = project.shell(
        """
client = Client()
client.force_login(User.objects.create_user("ada"))
answer = client.get("/session/devices/")
print(answer.status_code, len(manager().list("1")), client.get("/session/client.js").status_code)
"""
    )
    assert told.split()[-3:] == ["200", "1", "200"]


def test_no_test_of_a_project_reaches_a_real_session(project: Project) -> None:
    project.manage("migrate", "--verbosity", "0")
    project.shell("""client = Client(); client.force_login(User.objects.create_user("ada"))""")
    (project.folder / "shop/tests.py").write_text(
        block("from django.contrib.auth.models import User\nfrom django.test")
        + """
class EndTest(TestCase):
    def test_everything_ends(self):
        from django.core.management import CommandError, call_command
        from django.test import override_settings
        from sojourn.django import SessionStore, manager

        self.assertEqual(list(manager().scan()), [])
        self.client.force_login(User.objects.create_user("ada", pk=1))
        self.assertEqual(manager().revoke_all("1"), 1)
        manager().revoke_everything()
        SessionStore.clear_expired()
        with override_settings(SOJOURN={"store": "sqlite:///sessions.sqlite3"}):
            manager().revoke_everything()
        with self.assertRaisesMessage(CommandError, "test runner"):
            call_command("sojourn", "revoke", "--user", "1")

    def test_who_is_logged_in_stays_so_under_other_middleware(self):
        from django.conf import settings
        from django.test import override_settings

        self.client.force_login(User.objects.create_user("ada"))
        key = self.client.session.session_key
        more = [*settings.MIDDLEWARE, "django.middleware.gzip.GZipMiddleware"]
        for changed in ({"MIDDLEWARE": more}, {"SESSION_COOKIE_AGE": 60}):
            with override_settings(**changed):
                self.assertEqual(self.client.get("/session/devices/").status_code, 200)
                self.client.session["seen"] = True
        self.assertEqual(self.client.session.session_key, key)
"""
    )
    before = (project.folder / "sessions.sqlite3").read_bytes()
    told = project.manage("test", "shop")

    assert "Ran 3 tests" in told
    assert (project.folder / "sessions.sqlite3").read_bytes() == before
    assert project.shell("""print(len(manager().list("1")))""").split()[-1] == "1"


@pytest.fixture
def database(tmp_path: Path) -> Iterator[str]:
    """An empty database of PostgreSQL."""
    folder = tmp_path / "postgres"
    folder.mkdir()
    server = start_postgres(folder)
    yield server.new_database()
    server.stop()


def test_djangos_migrate_makes_postgresqls_tables(project: Project, database: str) -> None:
    project.append("settings.py", f"SOJOURN = {{'store': {database!r}}}")
    for command in (["makemigrations"], ["check"], ["check", "--database", "default"]):
        project.manage(*command)
    project.append("wsgi.py", "")
    refused = project._run([sys.executable, "-c", "import shop.wsgi"], 1)
    assert "migrate" in refused
    assert "sojourn.W006" in project.manage("check", "--database", "default")

    assert "Sojourn: applied 1 sessions" in project.manage("migrate")
    assert "Sojourn" not in project.manage("migrate")
    assert "no issues" in project.manage("check", "--database", "default", "--fail-level", "WARNING")
    project._run(
        [sys.executable, "-c", "import os; os.environ['DJANGO_SETTINGS_MODULE'] = 'shop.settings'; import shop.wsgi"]
    )


def test_a_model_that_would_keep_tokens_is_told(project: Project) -> None:
    (project.folder / "shop/models.py").write_text(
        """
from django.db import models

class Visit(models.Model):
    session_key = models.CharField(max_length=40)
"""
    )
    project.append("settings.py", "INSTALLED_APPS += ['shop']")
    assert "W007" not in project.manage("check")
    project.append("settings.py", 'MIDDLEWARE[its_place] = "django.contrib.sessions.middleware.SessionMiddleware"')

    told = project.manage("check")
    assert "(sojourn.W007) shop.Visit.session_key would keep live secrets" in told
    assert "sessions.Session" not in told


def test_allauths_list_of_sessions_knows_which_of_them_live(project: Project) -> None:
    project.append(
        "settings.py",
        """
INSTALLED_APPS += ["allauth", "allauth.account", "allauth.usersessions"]
MIDDLEWARE += ["allauth.account.middleware.AccountMiddleware"]
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
ACCOUNT_EMAIL_VERIFICATION = "none"
ACCOUNT_RATE_LIMITS = False
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
""",
    )
    project.append("urls.py", 'urlpatterns += [path("accounts/", include("allauth.urls"))]')
    project.manage("migrate", "--verbosity", "0")
    told = project.shell(
        """
from allauth.usersessions.models import UserSession
ada, bob = [User.objects.create_user(name, password="sesame") for name in ("ada", "bob")]
def log_in(client, agent, name="ada"):
    client.defaults["HTTP_USER_AGENT"] = agent
    assert client.post("/accounts/login/", {"login": name, "password": "sesame"}).status_code == 302
def listed():
    return sorted(kept.user_agent for kept in UserSession.objects.purge_and_list(ada))
firefox, nyxt, epiphany, lynx = Client(), Client(), Client(), Client()
for client, agent in [(firefox, "Firefox"), (nyxt, "Nyxt"), (epiphany, "Epiphany"), (lynx, "Lynx")]:
    log_in(client, agent)
print(*listed())
epiphany.post("/accounts/logout/")
lynx.post("/accounts/logout/")
log_in(lynx, "Lynx", "bob")
print(*listed())
print(firefox.post("/accounts/sessions/").status_code, nyxt.get("/session/devices/").status_code)
print(*listed())
manager().revoke_all("1")
print("nothing", *listed())
"""
    )
    lines = ["Epiphany Firefox Lynx Nyxt", "Firefox Nyxt", "302 302", "Firefox", "nothing"]
    assert told.strip().splitlines()[-5:] == lines
