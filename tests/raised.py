"""What a public name can raise of ours, as far as its source tells: its own `raise`, and those of what it calls."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache

from scripts.public import SOURCE, Definition, Function, Member, Module, module

__all__ = ["raised_by_class", "raised_by_function", "raised_by_member"]

Errors = frozenset[str]
NONE: Errors = frozenset()


def raised_by_function(definition: Definition) -> Errors:
    """The errors of a function."""
    assert isinstance(definition.node, Function)
    return _errors(definition.node, definition.home, None)


def raised_by_member(member: Member, of: Definition) -> Errors:
    """The errors of a method or property, as `of` has it."""
    if isinstance(member.node, Function):
        return _errors(member.node, member.owner.home, of)
    return NONE


def raised_by_class(definition: Definition) -> Errors:
    """The errors of making one, and of its operators."""
    found = NONE
    for name, (node, home) in _methods(definition).items():
        if name.startswith("__"):
            found |= _errors(node, home, definition)
    return found


_under_way: list[ast.AST] = []
_known: dict[tuple[ast.AST, str | None], Errors] = {}


def _errors(node: Function, home: Module, owner: Definition | None) -> Errors:
    key = (node, owner.path if owner else None)
    if key in _known:
        return _known[key]
    if node in _under_way:
        return NONE
    _under_way.append(node)
    found = _Function(node, home, owner).errors(node.body)
    _under_way.pop()
    if not _under_way:
        _known[key] = found
    return found


@cache
def _ancestors(error: str) -> Errors:
    found = module("sojourn.core.errors").find(error)
    return frozenset(each.name for each in found.ancestry) if found else NONE


def _methods(definition: Definition) -> dict[str, tuple[Function, Module]]:
    found: dict[str, tuple[Function, Module]] = {}
    for each in definition.ancestry:
        assert isinstance(each.node, ast.ClassDef)
        for node in each.node.body:
            if isinstance(node, Function):
                found.setdefault(node.name, (node, each.home))
    return found


class _Function:
    """One function, with the classes of what its names stand for, where they are annotated or made here."""

    def __init__(self, node: Function, home: Module, owner: Definition | None) -> None:
        self._home = home
        self._owner = owner
        given = [*node.args.args, *node.args.kwonlyargs]
        self._types = {each.arg: kind for each in given if (kind := self._class_of(each.annotation, home))}

    def errors(self, body: list[ast.stmt]) -> Errors:
        """What these statements raise."""
        return NONE.union(*(self._of(statement) for statement in body))

    def _of(self, node: ast.AST) -> Errors:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)):
            # Who calls it raises it.
            return NONE
        if isinstance(node, ast.Try):
            return self._of_try(node)
        found = NONE
        if isinstance(node, ast.Raise):
            found |= self._of_raise(node)
        elif isinstance(node, ast.Call):
            found |= self._of_call(node)
        for child in ast.iter_child_nodes(node):
            found |= self._of(child)
        return found

    def _of_try(self, node: ast.Try) -> Errors:
        found = self.errors(node.body)
        further = self.errors(node.orelse) | self.errors(node.finalbody)
        for handler in node.handlers:
            caught = (
                {each.id for each in ast.walk(handler.type) if isinstance(each, ast.Name)} if handler.type else set()
            )
            again = any(isinstance(each, ast.Raise) and each.exc is None for each in ast.walk(handler))
            if not again:
                found = frozenset(error for error in found if not _ancestors(error) & caught)
            further |= self.errors(handler.body)
        return found | further

    def _of_raise(self, node: ast.Raise) -> Errors:
        match node.exc:
            case ast.Call(func=ast.Name(id=name)) | ast.Name(id=name):
                found = self._home.find(name)
            case _:
                return NONE
        if found is not None and isinstance(found.node, Function):
            found = self._class_of(found.node.returns, found.home)
        return frozenset({found.name}) if found is not None and found.kind == "error" else NONE

    def _of_call(self, node: ast.Call) -> Errors:
        match node.func:
            case ast.Name(id=name):
                found = self._home.find(name)
                if found is not None and isinstance(found.node, Function):
                    return _errors(found.node, found.home, None)
                if not node.args and not node.keywords:
                    # Of defaults alone.
                    return NONE
                return self._of_method(found, "__init__") | self._of_method(found, "__post_init__")
            case ast.Attribute(value=ast.Name(id="self" | "cls"), attr=name):
                return self._of_method(self._owner, name)
            case ast.Attribute(value=ast.Call(func=ast.Name(id="super")), attr=name):
                bases = self._owner.ancestry[1:] if self._owner else []
                return NONE.union(*(self._of_method(base, name) for base in bases[:1]))
            case ast.Attribute(value=ast.Attribute(value=ast.Name(id="self"), attr=attribute), attr=name):
                return self._of_method(self._attributes.get(attribute), name)
            case ast.Attribute(value=ast.Name(id=left), attr=name):
                return self._of_method(self._types.get(left) or self._home.find(left), name) | self._of_module(
                    left, name
                )
        return NONE

    def _of_method(self, definition: Definition | None, name: str) -> Errors:
        if definition is None or not isinstance(definition.node, ast.ClassDef) or definition.kind == "error":
            return NONE
        node, home = _methods(definition).get(name, (None, None))
        return _errors(node, home, definition) if node is not None and home is not None else NONE

    def _of_module(self, left: str, name: str) -> Errors:
        path = self._home.imported_from(left)
        if path is None or not SOURCE.joinpath(*path.split(".")).with_suffix(".py").exists():
            return NONE
        found = module(path).find(name)
        if found is not None and isinstance(found.node, Function):
            return _errors(found.node, found.home, None)
        return NONE

    @property
    def _attributes(self) -> Mapping[str, Definition]:
        return dict(self._kept()) if self._owner is not None else {}

    def _kept(self) -> Iterator[tuple[str, Definition]]:
        """What `__init__` makes, or keeps of what it is given."""
        assert self._owner is not None
        init, home = _methods(self._owner).get("__init__", (None, None))
        if init is None or home is None:
            return
        given = {each.arg: each.annotation for each in [*init.args.args, *init.args.kwonlyargs]}
        for node in ast.walk(init):
            match node:
                case ast.Assign(targets=[ast.Attribute(value=ast.Name(id="self"), attr=name)], value=value):
                    kind = None
                    if isinstance(value, ast.Name):
                        kind = self._class_of(given.get(value.id), home)
                    elif isinstance(value, ast.Call) and isinstance(value.func, ast.Name):
                        kind = home.find(value.func.id)
                    if kind is not None:
                        yield name, kind

    @staticmethod
    def _class_of(annotation: ast.expr | None, home: Module) -> Definition | None:
        names = [node.id for node in ast.walk(annotation) if isinstance(node, ast.Name)] if annotation else []
        classes = [found for name in names if (found := home.find(name)) and isinstance(found.node, ast.ClassDef)]
        return classes[0] if len(classes) == 1 else None
