"""Sessions for Flask: `flask.session` is a Sojourn session."""

try:
    import flask  # noqa: F401  # looked for here, so that its absence is told in one sentence
except ImportError as error:
    raise ImportError("sojourn.flask needs Flask: pip install 'sojourn[flask]'") from error

from .application import commit, init_app, manager_of, session
from .endpoints import BrowserEndpoints
from .session import FlaskSession

__all__ = ["BrowserEndpoints", "FlaskSession", "commit", "init_app", "manager_of", "session"]
