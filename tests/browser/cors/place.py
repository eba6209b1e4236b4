"""Where a site stands, told by its environment, the same for every framework."""

from __future__ import annotations

import json
import os
from typing import Any, Literal

from sojourn import CookieOptions

__all__ = ["ALLOWED", "COOKIE", "EXPOSED", "HEADERS", "OPTIONS", "STORE", "WRITABLE"]

STORE = os.environ["SITE_STORE"]
# The origins whose pages CORS lets read the answers, and those whose unsafe requests Sojourn serves.
ALLOWED: list[str] = json.loads(os.environ["SITE_ALLOWED"])
TRUSTED: list[str] = json.loads(os.environ["SITE_TRUSTED"])
EXPOSED: list[str] = json.loads(os.environ.get("SITE_EXPOSED", "[]"))
HEADERS = ["Content-Type", "Authorization", "Sojourn-Transport"]
WRITABLE = {"n"}

SAME_SITE: Literal["lax", "none"] = "none" if os.environ.get("SITE_SAME_SITE") == "none" else "lax"
COOKIE = CookieOptions(same_site=SAME_SITE, partitioned=SAME_SITE == "none")
OPTIONS: dict[str, Any] = {"cookie": COOKIE, "trusted_origins": TRUSTED, "script_readable_tokens": True}
