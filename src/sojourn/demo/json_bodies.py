"""JSON bodies: forms that a browser sends, answers with a few values, and problems."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from sojourn.core.problem import Problem

__all__ = ["answer", "http_error", "read_form", "refuse"]

MAX_BODY = 4096

T = TypeVar("T")


async def read_form(request: Request, form: type[T]) -> T:
    """The JSON body as a `form`. Raises HTTPException for anything else."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise HTTPException(413, f"Send at most {MAX_BODY:,} bytes.")
    try:
        return msgspec.json.decode(body, type=form)
    except msgspec.DecodeError as error:
        raise HTTPException(422, f"This is not what the form holds: {error}.") from None


def refuse(status: int, detail: str) -> Response:
    """An answer that says what is wrong, in a sentence for the visitor."""
    problem = Problem(status=status, code="demo", title="Not done", detail=detail)
    return Response(problem.body(), status, dict(problem.headers()))


async def http_error(request: Request, error: Exception) -> Response:
    """Starlette's HTTPException as such an answer."""
    assert isinstance(error, HTTPException)
    return refuse(error.status_code, error.detail)


def answer(**values: Any) -> Response:
    """An answer that holds a few values."""
    return JSONResponse(values)
