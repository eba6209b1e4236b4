"""What Prometheus is told of a manager and its store. Needs the extra `metrics`."""

from sojourn.core.extras import install

try:
    import prometheus_client  # noqa: F401  # it is missed here, in words that tell how to install it
except ImportError as error:
    raise ImportError(f"sojourn.metrics needs prometheus-client: {install('metrics')}") from error

from .metrics import Metrics

__all__ = ["Metrics"]
