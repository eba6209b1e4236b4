"""Spans of OpenTelemetry around opens, commits and what the store is asked. Needs the extra `otel`."""

from sojourn.core.extras import install

try:
    import opentelemetry.trace  # noqa: F401  # it is missed here, in words that tell how to install it
except ImportError as error:
    raise ImportError(f"sojourn.traces needs opentelemetry-api: {install('otel')}") from error

from .traces import Traces

__all__ = ["Traces"]
