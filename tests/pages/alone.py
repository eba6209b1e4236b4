"""A program for a clean environment: runs blocks of code, each in a process and a folder of its own.

It is given a JSON list of [place, line, code], and prints one of those that failed: [place, what went wrong]. What the
blocks import is loaded once, before: a block still has to import what it uses, for its names are its own.
"""

import ast
import asyncio
import contextlib
import importlib
import inspect
import io
import json
import os
import sys
import tempfile
import traceback
import types


def load(code: str) -> None:
    for node in ast.walk(ast.parse(code)):
        names = [node.module] if isinstance(node, ast.ImportFrom) else []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        for name in filter(None, names):
            with contextlib.suppress(Exception):  # the block itself will tell
                importlib.import_module(name)


def run(place: str, line: int, code: str) -> None:
    module = sys.modules["page"] = types.ModuleType("page")  # Litestar looks handlers' annotations up in their module
    # The line numbers of the page, so that a traceback leads there.
    tree = ast.parse("\n" * (line - 1) + code)
    result = eval(compile(tree, place, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), vars(module))
    if inspect.iscoroutine(result):
        asyncio.run(result)


def alone(place: str, line: int, code: str) -> str:
    """What went wrong, in a child that is gone afterwards."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        told = ""
        with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
            os.chdir(folder)
            try:
                run(place, line, code)
            except BaseException:  # noqa: BLE001 - whatever it is, it is told
                told = traceback.format_exc()
        os.write(writer, told.encode())
        os._exit(bool(told))
    os.close(writer)
    with os.fdopen(reader, encoding="utf-8") as pipe:
        told = pipe.read()
    _, status = os.waitpid(child, 0)
    return told or ("" if status == 0 else f"ended with {status}")


blocks = json.load(sys.stdin)
for _, _, code in blocks:
    load(code)
failed = [[place, told] for place, line, code in blocks if (told := alone(place, line, code))]
json.dump(failed, sys.stdout)
