"""A digest of the code of a stage, by which the workflow reruns the stages that a change affects.

Snakemake does not see changes in imported modules. The digest covers a module and every module of
this package that it imports. It reads the source text and imports nothing. Comments, docstrings and
descriptions of options do not count. The digest is the same in every version of Python.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = "lstsr"
# The registry maps names to modules. A row's digest includes the module of its model instead, so a
# new model reruns nothing. The root of the package holds only the version.
LEFT_OUT = frozenset({PACKAGE, f"{PACKAGE}.registry"})
# Calls that describe an option, and the positions of arguments before the description.
DESCRIBED = {"Field": None, "option": 1}
# Fields of a node that do not affect what the code does.
IGNORED = frozenset({"ctx", "kind", "type_comment"})


def fingerprint(*modules: str) -> str:
    """Digest of these modules and of all modules of this package that they import."""
    names = sorted(set().union(*map(closure, modules)))
    text = "".join(f"{name}:{_code_digest(name)};" for name in names)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def closure(module: str) -> frozenset[str]:
    """``module`` and the modules of this package that it imports, directly or not."""
    reached: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += _imports(name)
    return frozenset(reached)


@cache
def _imports(module: str) -> list[str]:
    """Modules of this package that ``module`` imports, except for type checking.

    If a package takes an imported name from one of its modules, only that module counts.
    """
    names: list[str] = []
    for node in _runtime_nodes(_tree(module)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [_origin(node.module, alias.name) for alias in node.names]
    return [name for name in names if name not in LEFT_OUT and _source(name)]


def _origin(module: str, name: str) -> str:
    """The module that defines ``name`` if code imports it from ``module``."""
    if _source(f"{module}.{name}"):
        return f"{module}.{name}"
    file = _source(module)
    if file and file.name == "__init__.py":
        for node in [node for node in _tree(module).body if isinstance(node, ast.ImportFrom)]:
            if name in [alias.asname or alias.name for alias in node.names]:
                return node.module or module
    return module


def _runtime_nodes(tree: ast.AST) -> list[ast.AST]:
    """All nodes below ``tree``, except in blocks for type checking."""
    nodes = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            nodes += [part for other in node.orelse for part in (other, *_runtime_nodes(other))]
        else:
            nodes += [node, *_runtime_nodes(node)]
    return nodes


@cache
def _code_digest(module: str) -> str:
    return hashlib.sha256(canonical(_tree(module)).encode()).hexdigest()


def canonical(value: Any) -> str:
    """A syntax tree as text, without docstrings and descriptions.

    `ast.dump` differs between versions of Python. This text holds only class names and the fields
    that are neither None nor an empty list.
    """
    if isinstance(value, list):
        return f"[{','.join(canonical(item) for item in value if not _is_text(item))}]"
    if not isinstance(value, ast.AST):
        return ascii(value)
    parts = dict(ast.iter_fields(value))
    if isinstance(value, ast.Constant):  # here None is a value
        return f"Constant({ascii(value.value)})"
    if isinstance(value, ast.JoinedStr):
        parts["values"] = _joined(value.values)
    elif isinstance(value, ast.Call) and (name := ast.unparse(value.func)) in DESCRIBED:
        parts["args"] = value.args[: DESCRIBED[name]]
        parts["keywords"] = [word for word in value.keywords if word.arg != "description"]
    fields = (
        f"{name}={canonical(part)}"
        for name, part in parts.items()
        if part is not None and part != [] and name not in IGNORED
    )
    return f"{type(value).__name__}({','.join(fields)})"


def _is_text(node: Any) -> bool:
    """Whether a statement is a string alone: a docstring, also below a constant or a field."""
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _joined(parts: list[ast.expr]) -> list[ast.expr]:
    """The parts of an f-string with adjacent texts merged, as versions of Python split them."""
    merged: list[ast.expr] = []
    for part in parts:
        last = merged[-1] if merged else None
        if isinstance(part, ast.Constant) and isinstance(last, ast.Constant):
            merged[-1] = ast.Constant(str(last.value) + str(part.value))
        elif not isinstance(part, ast.Constant) or part.value:
            merged.append(part)
    return merged


@cache
def _tree(module: str) -> ast.Module:
    source = _source(module)
    if source is None:
        raise ModuleNotFoundError(f"this package has no module {module}")
    return ast.parse(source.read_text("utf-8"))


@cache
def _source(module: str) -> Path | None:
    """The file of a module of this package; None for any other name."""
    if module.split(".")[0] != PACKAGE:
        return None
    path = Path(__file__).parent.joinpath(*module.split(".")[1:])
    files = (path.with_suffix(".py"), path / "__init__.py")
    return next((file for file in files if file.is_file()), None)
