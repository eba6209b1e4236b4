"""Sessions for Flask: `flask.session` is a Sojourn session."""

from __future__ import annotations

from typing import TYPE_CHECKING

try:
    import flask  # noqa: F401  # looked for here, so that its absence is told in one sentence
except ImportError as error:
    from sojourn.core.extras import install

    raise ImportError(f"sojourn.flask needs Flask: {install('flask')}") from error

from sojourn.exports import late_exports

from .application import commit, init_app, manager_of, session
from .logged_in import logged_in
from .session import FlaskSession

if TYPE_CHECKING:
    from .endpoints import BrowserEndpoints

__all__ = ["BrowserEndpoints", "FlaskSession", "commit", "init_app", "logged_in", "manager_of", "session"]

# The endpoints bring the browser client's build along.
__getattr__ = late_exports(__name__, {"BrowserEndpoints": "endpoints"})
