"""A digest of the code that a stage runs, so that the workflow reruns what a change touches.

Snakemake does not see changes in imported modules. The digest covers a module and every module of
this package that it imports. It reads the source text and imports nothing. Comments, docstrings and
descriptions of options do not count. The digest is the same in every version of Python.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGE = "lstsr"
# The registry only maps names to modules: a row's digest names its own model's module instead, so
# that a new model reruns nothing. The root of the package holds only the version.
LEFT_OUT = frozenset({PACKAGE, f"{PACKAGE}.registry"})
# Calls that describe an option, and the position of the description among their arguments.
DESCRIBED = {"Field": None, "option": 1}
# Parts of a node without effect on what the code does.
IGNORED = frozenset({"ctx", "kind", "type_comment"})


def fingerprint(*modules: str) -> str:
    """Digest of the named modules and of everything they import from this package."""
    names = sorted(set().union(*(closure(module) for module in modules)))
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
    """Modules of this package that ``module`` imports, except for type checking only.

    If code imports a name that a package takes from one of its modules, only that module counts.
    """
    names: list[str] = []
    for node in _runtime_nodes(_tree(module)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [_origin(node.module, alias.name) for alias in node.names]
    return [name for name in names if name not in LEFT_OUT and _source(name)]


def _origin(module: str, name: str) -> str:
    """The module that defines ``name``, which some code imports from ``module``."""
    if _source(f"{module}.{name}"):
        return f"{module}.{name}"
    file = _source(module)
    if file and file.name == "__init__.py":
        for node in _tree(module).body:
            if isinstance(node, ast.ImportFrom) and name in _bound(node):
                return node.module or module
    return module


def _bound(node: ast.ImportFrom) -> list[str]:
    """The names that an import statement makes."""
    return [alias.asname or alias.name for alias in node.names]


def _runtime_nodes(tree: ast.AST) -> list[ast.AST]:
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

    `ast.dump` differs between versions of Python. This text holds only class names, and fields that
    are neither None nor an empty list.
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
    """The parts of an f-string; versions of Python divide the text between values differently."""
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
    path = _root().joinpath(*module.split(".")[1:])
    return next(
        (file for file in (path.with_suffix(".py"), path / "__init__.py") if file.is_file()), None
    )


@cache
def _root() -> Path:
    spec = find_spec(PACKAGE)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent
