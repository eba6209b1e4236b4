"""Moving in without signing anybody out: another layer's sessions become ours, each once. How: docs/migrating.md."""

from .adoption import AdoptedSession, Adoption
from .django import DjangoSessions
from .express import ExpressSessionRedis
from .flask import FlaskCookie
from .flask_session import FlaskSessionRedis
from .layer import Layer, Old
from .starlette import StarletteCookie
from .starsessions import StarsessionsRedis

__all__ = [
    "AdoptedSession",
    "Adoption",
    "DjangoSessions",
    "ExpressSessionRedis",
    "FlaskCookie",
    "FlaskSessionRedis",
    "Layer",
    "Old",
    "StarletteCookie",
    "StarsessionsRedis",
]
