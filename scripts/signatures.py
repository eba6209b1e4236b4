"""Signatures as a reader wants to see them: types and defaults, in the names that are public."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from scripts.public import Definition, Function, Member, Module, module, public_names

__all__ = ["attribute_line", "definition_code", "method_line", "reached"]

WIDTH = 96
NO_BASES = ("msgspec.Struct", "NamedTuple")

# An application is given these: a manager makes them.
GIVEN = ("sojourn.core.session.Session", "sojourn.flask.session.FlaskSession")


def definition_code(definition: Definition) -> str:
    """What heads an entry of the page: a class as it is made, a function as it is called, a value."""
    node = definition.node
    if isinstance(node, Function):
        return _signature(definition.name, node, definition.home)
    if isinstance(node, ast.ClassDef):
        return _class_code(definition, node)
    match node.value:
        case ast.Call(func=ast.Name(id="cast"), args=[ast.Constant(value=str(kind)), _]):
            return f"{definition.name}: {kind}"
        case ast.List():
            return f"{definition.name}: list"
    return f"{definition.name} = {_spelled(node.value, definition.home)}"


def _class_code(definition: Definition, node: ast.ClassDef) -> str:
    named = [base for base in map(ast.unparse, node.bases) if base not in NO_BASES and not _is_hidden(base, definition)]
    head = f"class {definition.name}({', '.join(named)})" if named else f"class {definition.name}"
    if definition.has_fields:
        fields = [f"\n    {each}" for each in _fields(definition, node)]
        return head + ":" * bool(fields) + "".join(fields)
    if definition.path in GIVEN or "Protocol" in named or definition.init is None:
        return head
    if not list(_parameters(definition.init.args, definition.home))[1:]:
        return head
    made = _signature(definition.name, definition.init, definition.home, skip=1).removesuffix(" -> None")
    return f"{head}\n\n{made.removeprefix('def ')}" if named else made.replace("def ", "class ", 1)


def _is_hidden(base: str, definition: Definition) -> bool:
    found = definition.home.find(base)
    return found is not None and found.path not in _public()


def _fields(definition: Definition, node: ast.ClassDef) -> Iterator[str]:
    made = [ast.unparse(each) for each in [*node.keywords, *node.decorator_list]]
    if definition.fields and any("kw_only=True" in each for each in made):
        yield "_: KW_ONLY"
    for each in definition.fields:
        yield _annotated(ast.unparse(each.target), each.annotation, each.value, definition.home)


def method_line(member: Member) -> str:
    """A method as it is called."""
    assert isinstance(member.node, Function)
    line = _signature(
        member.name,
        member.node,
        member.owner.home,
        skip=0 if member.is_static else 1,
        width=len(ast.unparse(member.node)),
    )
    on_class = "classmethod " if member.is_class_method or member.is_static else ""
    return on_class + line.replace("def ", "", 1)


def attribute_line(member: Member) -> str:
    """An attribute or property, with its type and, where there is one, its default."""
    node = member.node
    if isinstance(node, Function):
        return _annotated(member.name, node.returns, None, member.owner.home)
    value = node.value if isinstance(node, ast.AnnAssign) else None
    return _annotated(member.name, node.annotation, value, member.owner.home)


# Functions


def _signature(name: str, node: Function, home: Module, *, skip: int = 0, width: int = WIDTH) -> str:
    """Without the first `skip` parameters; one a line where it is wider than `width`."""
    start = f"async def {name}(" if isinstance(node, ast.AsyncFunctionDef) else f"def {name}("
    end = f") -> {_spelled(node.returns, home)}" if node.returns else ")"
    parameters = list(_parameters(node.args, home))[skip:]
    line = start + ", ".join(parameters) + end
    return line if len(line) <= width else "\n".join([start, *(f"    {each}," for each in parameters), end])


def _parameters(arguments: ast.arguments, home: Module) -> Iterator[str]:
    plain = arguments.posonlyargs + arguments.args
    defaults = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    for argument, default in zip(plain, defaults, strict=True):
        yield _annotated(argument.arg, argument.annotation, default, home)
    if arguments.vararg:
        yield "*" + _annotated(arguments.vararg.arg, arguments.vararg.annotation, None, home)
    elif arguments.kwonlyargs:
        yield "*"
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield _annotated(argument.arg, argument.annotation, default, home)
    if arguments.kwarg:
        yield "**" + _annotated(arguments.kwarg.arg, arguments.kwarg.annotation, None, home)


def _annotated(name: str, annotation: ast.expr | None, value: ast.expr | None, home: Module) -> str:
    typed = f"{name}: {_spelled(annotation, home)}" if annotation else name
    return typed if value is None else f"{typed} = {_spelled(_told(value, home), home)}"


def _told(value: ast.expr, home: Module) -> ast.expr:
    """What a reader wants to know of a default: what a constant holds, and what a factory makes."""
    match value:
        case ast.JoinedStr(values=parts):
            known = [_told(part.value, home) if isinstance(part, ast.FormattedValue) else part for part in parts]
            if all(isinstance(part, ast.Constant) for part in known):
                return ast.Constant("".join(ast.literal_eval(part) for part in known))
        case ast.Name(id=name) if name.isupper():
            found = home.find(name)
            if found is not None and isinstance(found.node, ast.Assign):
                return found.node.value
        case ast.Call(func=ast.Name(id="field"), keywords=[ast.keyword(value=ast.Lambda(body=made))]):
            return made
    return value


# Names


def _public() -> set[str]:
    return {each.path for each in public_names().values()}


def _spelled(node: ast.expr | None, home: Module) -> str:
    return ast.unparse(_Spelling(home).visit(_copied(node))).replace("'", '"') if node is not None else ""


def _copied(node: ast.expr) -> ast.expr:
    return ast.parse(ast.unparse(node), mode="eval").body


class _Spelling(ast.NodeTransformer):
    """Puts in the place of an alias that is not public what it stands for."""

    def __init__(self, home: Module) -> None:
        self._home = home

    def visit_Name(self, node: ast.Name) -> ast.expr:
        found = None if node.id.isupper() else self._home.find(node.id)
        if found is None or found.path in _public() or not isinstance(found.node, (ast.Assign, ast.AnnAssign)):
            return node
        value = found.node.value
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            # A TypeAlias that is written as text.
            value = ast.parse(value.value, mode="eval").body
        if not isinstance(value, (ast.Subscript, ast.BinOp)):
            return node
        spelled: ast.expr = _Spelling(found.home).visit(_copied(value))
        return spelled


def reached(name: str) -> list[Definition]:
    """The classes of ours that a public module's signatures and fields name, and that no public module exports."""
    found: dict[str, Definition] = {}
    waiting = [public_names()[f"{name}.{short}"] for short in module(name).exported]
    while waiting:
        for home, annotation in _annotations(waiting.pop(0)):
            for node in ast.walk(ast.parse(_spelled(annotation, home), mode="eval")):
                named = home.find(node.id) if isinstance(node, ast.Name) else None
                if named is None or named.path in _public() or named.path in found:
                    continue
                if isinstance(named.node, ast.ClassDef):
                    found[named.path] = named
                    waiting.append(named)
    return list(found.values())


def _annotations(definition: Definition) -> Iterator[tuple[Module, ast.expr]]:
    if isinstance(definition.node, Function):
        yield from ((definition.home, each) for each in _of_function(definition.node))
    elif isinstance(definition.node, ast.ClassDef):
        yield from ((definition.home, each.annotation) for each in definition.fields)
        if definition.init is not None and definition.path not in GIVEN:
            yield from ((definition.home, each) for each in _of_function(definition.init))
        for member in definition.members():
            if isinstance(member.node, Function):
                yield from ((member.owner.home, each) for each in _of_function(member.node))


def _of_function(node: Function) -> Iterator[ast.expr]:
    arguments = node.args
    for each in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg):
        if each is not None and each.annotation is not None:
            yield each.annotation
    if node.returns is not None:
        yield node.returns
