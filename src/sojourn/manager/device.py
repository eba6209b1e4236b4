"""Device labels: what a User-Agent header says of a browser, for a person. By ua-parser, the extra `devices`."""

from __future__ import annotations

__all__ = ["device_label"]


def device_label(user_agent: str) -> str:
    """A label like "Chrome on Windows"; "" where ua-parser is not installed, or the header tells nothing.

    It is the sender's own word, good for recognising one's devices and no proof of anything. About 50 µs, and some
    milliseconds for an odd header: it is made once, when a session begins, of no more than Client.of keeps.
    """
    try:
        from ua_parser import parse
    except ImportError:
        return ""
    found = parse(user_agent)
    browser = found.user_agent.family if found.user_agent else None
    system = found.os.family if found.os else None
    return " on ".join([name for name in (browser, system) if name and name != "Other"])
