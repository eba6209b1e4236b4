"""`sojourn serve`: the session service."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import click

from sojourn.core.errors import ConfigurationError

from .exit import Exit

__all__ = ["serve"]


_is_kubernetes_link = re.compile("(tcp|udp|sctp)://").match


class _PortOption(click.Option):
    """Kubernetes tells every pod of a Service named sojourn by SOJOURN_PORT=tcp://10.0.0.1:8100: that is not for us."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """As click.Option's."""
        found = super().resolve_envvar_value(ctx)
        return None if found is not None and _is_kubernetes_link(found) else found


@click.command()
@click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    envvar="SOJOURN_CONFIG",
    show_envvar=True,
    help="A TOML file with any of what follows, and the policy, the cookie and the browser's endpoints.",
)
@click.option("--store", metavar="URL", envvar="SOJOURN_STORE", show_envvar=True, help="As for open_store.")
@click.option(
    "--keys", metavar="FILE", envvar="SOJOURN_KEYS", show_envvar=True, help="The back ends' API keys: `sojourn keys`."
)
@click.option("--host", envvar="SOJOURN_HOST", show_envvar=True, help="[default: 127.0.0.1]")
@click.option(
    "--port",
    cls=_PortOption,
    type=int,
    envvar="SOJOURN_PORT",
    show_envvar=True,
    help="0 takes a free one.  [default: 8100]",
)
@click.option("--uds", metavar="FILE", envvar="SOJOURN_UDS", show_envvar=True, help="A unix socket instead of a port.")
@click.option("--workers", type=int, envvar="SOJOURN_WORKERS", show_envvar=True, help="Processes.  [default: 1]")
@click.option(
    "--admin",
    is_flag=True,
    default=None,
    envvar="SOJOURN_ADMIN",
    show_envvar=True,
    help="Answer operators at /admin, with a key of the scope operator: who has one may end every session.",
)
@click.option(
    "--metrics",
    is_flag=True,
    default=None,
    envvar="SOJOURN_METRICS",
    show_envvar=True,
    help="Answer Prometheus at /metrics, with a key of the scope metrics. Needs the extra `metrics`.",
)
@click.option(
    "--audit",
    metavar="FILE|URL",
    envvar="SOJOURN_AUDIT",
    show_envvar=True,
    help="The audit trail, which tells who did what: a file, or a store's URL for a table there.",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"]),
    envvar="SOJOURN_LOG_LEVEL",
    show_envvar=True,
    help="[default: info]",
)
@click.option(
    "--log-format",
    type=click.Choice(["text", "json"]),
    envvar="SOJOURN_LOG_FORMAT",
    show_envvar=True,
    help="[default: text]",
)
@click.option("--check", is_flag=True, help="Say what is wrong (exit 2) or weak (exit 1) in the settings, and end.")
def serve(config: Path | None, check: bool, **given: Any) -> int:
    """Run the session service, for back ends in any language. Needs the extra `service`.

    A flag wins over the environment, and the environment over the file.
    """
    # Here, not above: the other commands do without what the service needs.
    from sojourn.service import serve as run
    from sojourn.service.settings import make_settings, read_file

    from .serve_check import findings, report

    tables = read_file(config) if config else {}
    trail = given.pop("audit")
    if trail is not None:
        tables["audit"] = {**tables.get("audit", {}), "trail": trail}
    log = {name: given.pop(f"log_{name}") for name in ("level", "format")}
    tables |= {name: value for name, value in given.items() if value is not None}
    if any(log.values()):
        tables["log"] = {**tables.get("log", {}), **{name: value for name, value in log.items() if value}}
    settings = make_settings(tables)
    if check:
        return report(settings, config)
    for finding in findings(settings, config):
        if finding.how == "wrong":
            raise ConfigurationError(finding.text)
    run(settings)
    return Exit.DONE
