"""A Django project with accounts, the admin, a bag, devices, and a page that uses the browser client.

python examples/django_app/manage.py runserver       then open http://localhost:8000, sign in as ada, sesame
"""

from __future__ import annotations

import os
import sys

import django
from django.core.management import call_command, execute_from_command_line


def prepare() -> None:
    """The tables, and a first user, so that one command is enough."""
    django.setup()
    call_command("migrate", verbosity=0)
    from django.contrib.auth.models import User

    for name in ("ada", "bob"):
        if not User.objects.filter(username=name).exists():
            User.objects.create_superuser(name, password="sesame")


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
    if sys.argv[1:2] == ["runserver"]:
        prepare()
    execute_from_command_line(sys.argv)
