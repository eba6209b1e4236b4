"""How the properties are searched: without a deadline, for a machine that does other things too."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("sojourn", deadline=None, print_blob=True)
settings.load_profile("sojourn")
