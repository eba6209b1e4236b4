"""AppEndpoint: one thing that the application does for a visitor, as `POST /cart {"item": "{n}"}` spells it."""

from __future__ import annotations

import re
from typing import NamedTuple

from sojourn.core.errors import ConfigurationError

__all__ = ["AppEndpoint"]

_shape = re.compile(r"([A-Z]+)\s+(/\S*)(?:\s+(.+))?", re.DOTALL).fullmatch


class AppEndpoint(NamedTuple):
    """`{n}` in the path or in the body stands for a number that no other try has."""

    method: str
    path: str
    body: str

    @classmethod
    def parse(cls, text: str) -> AppEndpoint:
        """The endpoint that `text` spells. Raises ConfigurationError."""
        found = _shape(text.strip())
        if found is None:
            # Not repeated: the body of a log-in holds a password.
            raise ConfigurationError(
                'An endpoint is a method, a path and perhaps a body: \'POST /cart {"item": "{n}"}\' or '
                "'POST /cart item={n}'."
            )
        return cls(found[1], found[2], found[3] or "")

    @property
    def is_numbered(self) -> bool:
        """Whether it says where the number goes."""
        return "{n}" in self.path or "{n}" in self.body

    @property
    def content_type(self) -> str | None:
        """JSON where the body looks like it, else a form; None without a body."""
        if not self.body:
            return None
        return "application/json" if self.body[0] in '{["' else "application/x-www-form-urlencoded"

    def filled(self, number: int) -> tuple[str, bytes | None]:
        """The path and the body of the try `number`."""
        body = self.body.replace("{n}", str(number)).encode()
        return self.path.replace("{n}", str(number)), body or None
