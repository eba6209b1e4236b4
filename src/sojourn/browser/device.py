"""Device labels: what a User-Agent header says of a browser, for a person. By ua-parser, the extra `devices`."""

from __future__ import annotations

from collections.abc import Callable

from sojourn.core.errors import ConfigurationError

__all__ = ["DeviceLabel", "device_label", "require_ua_parser"]

DeviceLabel = Callable[[str], str]


def device_label(user_agent: str) -> str:
    """A label like "Chrome on Windows"; "Unknown device" where the header tells nothing. About 50 µs.

    It is the sender's own word, good for recognising one's devices and no proof of anything.
    """
    from ua_parser import parse

    found = parse(user_agent)
    browser = found.user_agent.family if found.user_agent else None
    system = found.os.family if found.os else None
    names = [name for name in (browser, system) if name and name != "Other"]
    return " on ".join(names) or "Unknown device"


def require_ua_parser() -> None:
    """Raise ConfigurationError, saying what to install, where ua-parser is missing."""
    try:
        import ua_parser  # noqa: F401  # looked for, not used: its absence should be told at start
    except ImportError:
        raise ConfigurationError(
            "Device labels need ua-parser: pip install 'sojourn[devices]'. Or pass device_label=None to do without."
        ) from None
