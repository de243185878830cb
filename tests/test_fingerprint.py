"""Fingerprints of a copy of this package, before and after an edit of it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lstsr.fingerprint import LEFT_OUT, closure, fingerprint
from lstsr.registry import MODELS, STEPS

STAGES = {
    "esrnet": ("lstsr.training.loop", MODELS["esrnet"]),
    "linear": ("lstsr.predict.scenes", MODELS["local-linear"]),
    "align": ("lstsr.dataset.align", "lstsr.config.align", "lstsr.config.sensors"),
    "pack": ("lstsr.dataset.pack", "lstsr.dataset.exclusions"),
    "figures": ("lstsr.evaluation.figures",),
}
PRINT = f"""
import json, sys
from lstsr.fingerprint import fingerprint
print(json.dumps({{name: fingerprint(*modules) for name, modules in {STAGES!r}.items()}}))
assert not {{"torch", "rasterio", "numpy"}} & set(sys.modules), "the source text alone is read"
"""


class Copy:
    """A copy of the package that may be edited."""

    def __init__(self, folder: Path) -> None:
        self.package = folder / "lstsr"
        shutil.copytree(Path(__file__).parents[1] / "src" / "lstsr", self.package)
        self.untouched = self.fingerprints()

    def fingerprints(self) -> dict[str, str]:
        """Of each stage, computed in a process that imports the copy."""
        environment = {**os.environ, "PYTHONPATH": str(self.package.parent)}
        done = subprocess.run(
            [sys.executable, "-c", PRINT], env=environment, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def edit(self, module: str, change: Callable[[str], str]) -> None:
        """Rewrite one module."""
        path = self.package / module
        before = path.read_text()
        path.write_text(change(before))
        assert path.read_text() != before

    def changed_by(
        self, module: str, change: Callable[[str], str], before: dict[str, str] | None = None
    ) -> set[str]:
        """The stages whose fingerprint an edit changes; the edit is taken back."""
        before = before or self.untouched
        text = (self.package / module).read_text()
        self.edit(module, change)
        after = self.fingerprints()
        (self.package / module).write_text(text)
        return {name for name in STAGES if after[name] != before[name]}


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Copy]:
    yield Copy(tmp_path_factory.mktemp("package"))


def appended(code: str) -> Callable[[str], str]:
    return lambda text: text + code


def test_the_same_code_has_the_same_fingerprint_wherever_it_lies(copy: Copy) -> None:
    assert copy.untouched == {name: fingerprint(*mods) for name, mods in STAGES.items()}


@pytest.mark.parametrize(
    "change",
    [
        appended("\n# a comment\n"),
        appended('\n"""Said of the constant above."""\n'),
        lambda text: '"""Another docstring."""\n' + text.split('"""', 2)[2],
        lambda text: text.replace("normalised convolution", "an average"),
        lambda text: text.replace("\n\n\ndef ", "\n\n\n\n\ndef "),
    ],
    ids=["comment", "constant's docstring", "module's docstring", "function's", "blank lines"],
)
def test_words_about_code_change_nothing(copy: Copy, change: Callable[[str], str]) -> None:
    assert copy.changed_by("geo/fill.py", change) == set()


@pytest.mark.parametrize(
    ("module", "stages"),
    [
        ("models/rrdb.py", {"esrnet"}),
        ("models/dctnet.py", set()),
        ("geo/fill.py", {"align", "pack"}),
        ("geo/registration.py", {"align", "pack"}),
        ("evaluation/figures.py", {"figures"}),
        ("cli/rules.py", set()),
        ("registry.py", set()),
        ("rows.py", {"esrnet", "linear"}),
        ("config/align.py", {"align"}),
        ("config/sensors.py", {"align", "pack"}),
        ("config/models.py", set()),
        ("config/run.py", set()),
        ("config/__init__.py", set()),
        ("__init__.py", set()),
    ],
)
def test_an_edit_of_code_changes_the_stages_that_run_it(
    copy: Copy, module: str, stages: set[str]
) -> None:
    assert copy.changed_by(module, appended("\nADDED = 1\n")) == stages


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("rows.py", "optimiser steps between validations"),
        ("config/sensors.py", "largest mean navigation residual"),
        ("config/align.py", "smallest share of valid fine pixels"),
    ],
)
def test_the_description_of_an_option_changes_nothing(copy: Copy, module: str, words: str) -> None:
    assert copy.changed_by(module, lambda text: text.replace(words, "other words")) == set()


def test_the_default_of_an_option_counts(copy: Copy) -> None:
    def change(text: str) -> str:
        return text.replace("option(3000,", "option(3001,")

    assert copy.changed_by("rows.py", change) == {"esrnet", "linear"}


def test_an_import_inside_a_function_counts_and_one_for_type_checking_does_not(
    copy: Copy,
) -> None:
    """The new module changes those that import it once it says something else."""
    for index, (code, stages) in enumerate(
        [
            ("def late() -> None:\n    from lstsr.geo.added import VALUE", {"align", "pack"}),
            ("if True:\n    import lstsr.geo.added", {"align", "pack"}),
            ("from lstsr.geo import added", {"align", "pack"}),
            ("if TYPE_CHECKING:\n    from lstsr.geo import added", set()),
            ("if typing.TYPE_CHECKING:\n    from lstsr.geo.added import VALUE", set()),
        ]
    ):
        text = (copy.package / "geo/registration.py").read_text()
        (copy.package / "geo/added.py").write_text("VALUE = 1\n")
        copy.edit("geo/registration.py", appended(f"\n{code}\n"))
        before = copy.fingerprints()
        assert copy.changed_by("geo/added.py", appended("MORE = 2\n"), before) == stages, index
        (copy.package / "geo/registration.py").write_text(text)


def test_a_stage_depends_on_its_own_model_only() -> None:
    for name in ("esrnet", "dctnet"):
        found = closure("lstsr.training.loop") | closure(MODELS[name])
        others = {module for other, module in MODELS.items() if other != name}
        assert MODELS[name] in found
        # parts that a model shares count; training itself depends on none
        assert not closure("lstsr.training.loop") & set(MODELS.values())
        assert found & others <= closure(MODELS[name])


def test_plain_training_does_not_depend_on_adversarial_steps() -> None:
    plain = closure("lstsr.training.loop") | closure(STEPS[False])
    added = closure(STEPS[True]) - plain
    assert {"lstsr.training.adversarial", "lstsr.models.discriminator"} <= added


IMPORTED = """
import importlib, sys, types
from pathlib import Path
import lstsr.fingerprint
from lstsr.fingerprint import _origin

# the package imports every section; the closure holds those with a name that some code uses
config = sys.modules["lstsr.config"] = types.ModuleType("lstsr.config")
config.__path__ = [str(Path(lstsr.fingerprint.__file__).with_name("config"))]
config.__getattr__ = lambda name: getattr(
    importlib.import_module(_origin("lstsr.config", name)), name
)
importlib.import_module("lstsr.dataset.pack")
print(*[name for name in sys.modules if name.startswith("lstsr.")])
"""


def test_the_closure_is_what_python_really_imports() -> None:
    """Against the interpreter: every module of this package that the import loads."""
    loaded = {name for name in printed(sys.executable, IMPORTED).split() if name not in LEFT_OUT}
    folders = ("config", "dataset", "geo", "models", "sensors", "sensors.raster")
    packages = {f"lstsr.{folder}" for folder in folders}
    assert loaded - packages - {"lstsr.fingerprint"} <= closure("lstsr.dataset.pack")


SNIPPET = r"""
"Docstring."
from lstsr.rows import option

class Settings:
    "Docstring."
    steps: int = option(3000, "optimiser steps", ge=1)

async def f(a, /, b: int = -1, *c, d=None, **e) -> str:
    "Docstring."
    match b:
        case {"x": [1, *_]} | None:
            return f"a" f"{a!r:>{b}} {c}" "b" + b"c".decode() + "\u00e9\U0001fae8"
    return u"x" if (y := {**e, "k": ...}) else f"{a:}" f"{{}}"
"""
SNIPPET_DIGEST = "229c847cfde19155"
OF_SNIPPET = f"""
import ast, hashlib
from lstsr.fingerprint import canonical
print(hashlib.sha256(canonical(ast.parse({SNIPPET!r})).encode()).hexdigest()[:16])
"""


def printed(python: str, code: str) -> str:
    """What an interpreter prints that imports this package from its source."""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1] / "src")}
    done = subprocess.run([python, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def interpreter(version: str) -> str:
    """Another Python on this machine, on PATH or under pyenv; skips the test if there is none."""
    under_pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for python in (shutil.which(f"python{version}"), *map(str, under_pyenv)):
        if python and not subprocess.run([python, "--version"], capture_output=True).returncode:
            return python
    pytest.skip(f"there is no Python {version} on this machine")


def test_the_digest_of_a_snippet_is_the_stored_one() -> None:
    """On any version of Python, CI compares with the one that stored this digest."""
    assert printed(sys.executable, OF_SNIPPET) == SNIPPET_DIGEST


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_every_version_of_python_gives_the_same_fingerprints(version: str, copy: Copy) -> None:
    """With every version on the machine. If CI has only one, the stored digest covers the rest."""
    python = interpreter(version)
    assert printed(python, OF_SNIPPET) == SNIPPET_DIGEST
    assert json.loads(printed(python, PRINT)) == copy.untouched


def test_an_unknown_module_is_refused() -> None:
    with pytest.raises(ModuleNotFoundError, match="lstsr.nothing"):
        fingerprint("lstsr.nothing")
