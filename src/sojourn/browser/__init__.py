"""What the browser client calls: decided here without I/O, so that every integration can mount it."""

from .devices import perform, perform_async
from .endpoints import Answer, Ask, BrowserOptions, Request, answer, plan, to_send

__all__ = ["Answer", "Ask", "BrowserOptions", "Request", "answer", "perform", "perform_async", "plan", "to_send"]
