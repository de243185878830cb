"""A digest of the code that a stage runs, so that the workflow reruns what a change touches.

Snakemake does not see changes in imported modules. The digest covers a module and all of this
package that it imports, found in the source text without importing anything; comments and
docstrings do not count.
"""

from __future__ import annotations

import ast
import hashlib
from functools import cache
from importlib.util import find_spec
from pathlib import Path

PACKAGE = "lstsr"
# The registry only maps names to modules: a row's digest names its own model's module instead, so
# that adding a model reruns nothing. The package's root holds only the version.
LEFT_OUT = frozenset({PACKAGE, f"{PACKAGE}.registry"})


def fingerprint(*modules: str) -> str:
    """Digest of the named modules and of everything they import from this package."""
    names = sorted(set().union(*(closure(module) for module in modules)))
    text = "".join(f"{name}:{_code_digest(name)};" for name in names)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


@cache
def closure(module: str) -> frozenset[str]:
    """``module`` and the modules of this package that it imports, directly or not."""
    found: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += _imports(name)
    return frozenset(found)


def _imports(module: str) -> list[str]:
    """Modules of this package that ``module`` imports, but those for type checking only."""
    found = []
    for node in _runtime_nodes(_tree(module)):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            submodules = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [node.module, *(name for name in submodules if _source(name))]
    return [name for name in found if name not in LEFT_OUT and _source(name)]


def _runtime_nodes(tree: ast.AST) -> list[ast.AST]:
    nodes = []
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        nodes += [node, *_runtime_nodes(node)]
    return nodes


@cache
def _code_digest(module: str) -> str:
    """Digest of the syntax tree without docstrings."""
    code = _WithoutDocstrings().visit(_tree(module))
    return hashlib.sha256(ast.dump(code).encode()).hexdigest()


class _WithoutDocstrings(ast.NodeTransformer):
    """Takes out every text that stands for itself, those below a constant or a field included."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:  # noqa: N802 named by ast
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if text else node


def _tree(module: str) -> ast.Module:
    source = _source(module)
    if source is None:
        raise ModuleNotFoundError(f"no module {module} in this package")
    return ast.parse(source.read_text())


@cache
def _source(module: str) -> Path | None:
    """The file of a module of this package; None for any other name."""
    if module.split(".")[0] != PACKAGE:
        return None
    path = _root().joinpath(*module.split(".")[1:])
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


@cache
def _root() -> Path:
    spec = find_spec(PACKAGE)
    assert spec is not None and spec.origin is not None
    return Path(spec.origin).parent
