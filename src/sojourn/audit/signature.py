"""What a webhook is sent and signed with, as Standard Webhooks has it (standardwebhooks.com). Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from sojourn.core.errors import ConfigurationError

__all__ = ["headers_of", "read_secret"]

_PREFIX = "whsec_"


def read_secret(text: str) -> bytes:
    """The bytes of a secret that is spelled `whsec_` and base64. Raises ConfigurationError, which does not show it."""
    try:
        secret = base64.b64decode(text.strip().removeprefix(_PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if text.strip().startswith(_PREFIX) and 24 <= len(secret) <= 64:
        return secret
    raise ConfigurationError(
        "A webhook's secret is whsec_ and the base64 of 24 to 64 random bytes: "
        "python -c \"import base64, os; print('whsec_' + base64.b64encode(os.urandom(32)).decode())\""
    )


def headers_of(id: str, seconds: int, body: bytes, secret: bytes) -> Mapping[str, str]:
    """The headers of a message that is sent now, in Unix seconds. A second trial has another time, and the same id."""
    signed = hmac.new(secret, b"%b.%d.%b" % (id.encode(), seconds, body), hashlib.sha256).digest()
    return {
        "content-type": "application/json",
        "webhook-id": id,
        "webhook-timestamp": str(seconds),
        "webhook-signature": f"v1,{base64.b64encode(signed).decode()}",
    }
