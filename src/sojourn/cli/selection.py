"""The option's value that is an address, or a network; and what such options select."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import click

from sojourn.admin.selection import Addresses, Selection

__all__ = ["NETWORK", "Selection"]


class NetworkType(click.ParamType[Addresses]):
    """An option's value like 203.0.113.9 or 2001:db8::/32."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Addresses:
        """As click.ParamType.convert."""
        try:
            return ip_network(value, strict=False)
        except ValueError:
            self.fail(f"{value!r} is no address. Write 203.0.113.9, 203.0.113.0/24 or 2001:db8::/32.", param, ctx)


NETWORK = NetworkType()
