"""Models by name."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch

from lstsr import registry
from lstsr.errors import LstsrError
from lstsr.registry import (
    BASELINES,
    CLASSICAL,
    MODELS,
    RELEASED,
    TRAINED,
    UNGUIDED,
    build,
    list_models,
)


@pytest.mark.parametrize("name", sorted(MODELS.keys() - RELEASED))
@pytest.mark.parametrize("scale", [4, 8])
def test_every_model_builds_and_has_the_signature_of_a_network(name, scale, scene):
    with torch.no_grad():
        output = build(name, scale, 3)(*scene(32, 48, scale, channels=3, dtype=torch.float32))
    assert output.shape == (1, 1, 32, 48)
    assert output.isfinite().all()


@pytest.mark.parametrize("name", MODELS)
def test_trained_models_are_those_with_weights(name):
    assert (name in TRAINED) == bool(list(build(name, 4, 1).parameters()))
    assert (name in TRAINED) != (name in CLASSICAL)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dctnett", {}, r"model: unknown name 'dctnett'.*dctnet"),
        ("dctnet", {"feature": 32}, r"model dctnet: unknown option 'feature'.*features, layers"),
        ("bilinear", {"features": 1}, r"unknown option 'features'.*none"),
        ("dctnet", {"base": "nearest"}, r"base: unknown name 'nearest'.*bicubic"),
        ("dctnet", {"operators": "fft"}, r"operators: unknown name 'fft'.*consistent"),
        ("dctnet", {"features": 30}, r"features: 30 .*multiple of 4"),
        ("dctrrdbnet-single-scale", {"features": 30}, r"features: 30 .*multiple of 4"),
        ("dctrrdbnet-single-scale", {"shared": 1.5}, r"shared: 1.5 "),
        ("srcnn", {"f1": 8}, r"f1: 8 .*odd"),
        ("jiif", {"blending": "softmax"}, r"blending: unknown name 'softmax'.*published, area"),
        ("jiif", {"widths": []}, r"widths: .*at least one"),
        ("local-linear", {"window": 8}, r"window: 8 .*odd"),
    ],
)
def test_faults_name_the_key_and_what_is_allowed(name, options, message):
    with pytest.raises(LstsrError, match=message):
        build(name, 4, 1, **options)


def test_models_are_listed_by_their_traits():
    assert list_models() == list(MODELS)
    assert set(list_models(classical=True, guided=True)) == CLASSICAL - UNGUIDED
    assert list_models(adversarial=True) == ["esrgan", "srgan"]
    assert BASELINES < CLASSICAL
    assert MODELS["dctnet"] == "lstsr.models.dctnet"


def test_a_new_file_is_a_new_model(tmp_path):
    """The decorator is found in a copy of the package, and the file is not imported."""
    package = tmp_path / "lstsr"
    shutil.copytree(Path(registry.__file__).parent, package)
    code = """
        raise ImportError("this file is imported")
        @register("mine", guided=False, adversarial=True)
        class Mine:
            pass
    """
    (package / "models" / "mine.py").write_text(textwrap.dedent(code))
    show = "from lstsr.registry import *; print(MODELS['mine'], list_models(adversarial=True))"
    done = subprocess.run(
        [sys.executable, "-c", show],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "lstsr.models.mine ['mine', 'esrgan', 'srgan']"


def test_a_scale_must_enlarge():
    with pytest.raises(LstsrError, match="scale: 1 "):
        build("bicubic", 1, 1)


def test_the_registry_imports_without_torch():
    code = "import lstsr.registry, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("value", [-4, "many", None, [4], float("nan")])
def test_an_option_of_another_type_is_told_by_name(value: object) -> None:
    with pytest.raises(
        LstsrError, match="model dctnet: options features: .* cannot be used|features"
    ):
        build("dctnet", 4, 1, features=value)
