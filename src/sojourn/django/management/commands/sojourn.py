"""`manage.py sojourn VERB …`: the program `sojourn`, on the store that SOJOURN names."""

from __future__ import annotations

import os
import subprocess
import sys
from argparse import REMAINDER, ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sojourn.core.errors import ConfigurationError
from sojourn.core.policy import Policy
from sojourn.django.process import in_tests
from sojourn.django.settings import SojournSettings

__all__ = ["Command"]

VERBS = ("list", "show", "revoke", "cleanup", "stats", "migrate", "policy")


class Command(BaseCommand):
    """One command, not one for each verb: Django has a `migrate` of its own."""

    help = (
        "See, end and clean up sessions: sojourn list, show ID, revoke ID, cleanup, stats, migrate, policy. "
        "After a verb, --help tells its options. A user is named by the primary key."
    )
    requires_system_checks: list[str] = []  # noqa: RUF012  # as Django has it

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take everything from the verb on."""
        parser.add_argument("verb", choices=VERBS)
        parser.add_argument("arguments", nargs=REMAINDER)

    def handle(self, *args: Any, verb: str, arguments: list[str], **options: Any) -> None:
        """Run the program in a process of its own, so that it is the same one, exit codes and all."""
        try:
            found = SojournSettings.read()
        except ConfigurationError as error:
            raise CommandError(str(error)) from error
        if in_tests() and verb != "policy":
            raise CommandError(
                "Under the test runner the sessions are in its memory, where no other program sees them."
            )
        env = dict(os.environ)
        if verb != "policy":
            env["SOJOURN_STORE"] = _url(found)
        command = [sys.executable, "-m", "sojourn", verb, *_policy_options(verb, arguments, found), *arguments]
        # A terminal is handed on as it is; what call_command was given is written to.
        is_own = self.stdout._out is not sys.stdout
        run = subprocess.run(command, env=env, check=False, text=True, capture_output=is_own)  # noqa: S603  # our own
        if is_own:
            self.stdout.write(run.stdout, ending="")
            self.stderr.write(run.stderr, ending="")
        if run.returncode:
            sys.exit(run.returncode)


def _url(found: SojournSettings) -> str:
    if found.url is None:
        raise CommandError(
            f"SOJOURN['store'] is the manager {found.store}, and the program needs a URL: run `sojourn` with --store."
        )
    return found.url


def _policy_options(verb: str, arguments: list[str], found: SojournSettings) -> list[str]:
    policy = found.policy_or_django_s() if found.url is not None else Policy()
    if verb == "cleanup" and not any(argument.startswith("--keep-ended") for argument in arguments):
        return ["--keep-ended", f"{policy.keep_ended:.0f}s"]
    if verb != "policy":
        return []
    stated: list[str] = []
    durations = {
        "--idle": policy.idle_timeout,
        "--absolute": policy.absolute_timeout,
        "--remember-idle": policy.remember.idle_timeout if policy.remember else None,
        "--remember-absolute": policy.remember.absolute_timeout if policy.remember else None,
        "--touch": policy.touch_interval,
        "--rotate": policy.rotate_interval,
        "--rotate-grace": policy.rotate_grace,
        "--keep-ended": policy.keep_ended,
    }
    for name, seconds in durations.items():
        if seconds is not None:
            stated += [name, f"{seconds:.3f}s"]
    if policy.max_sessions is not None:
        stated += ["--max-sessions", str(policy.max_sessions), "--on-limit", policy.on_limit]
    if policy.remember is None:
        stated.append("--no-remember")
    if policy.rotate_interval is None:
        stated.append("--no-rotate")
    return stated
