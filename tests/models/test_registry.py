"""Models by name."""

import subprocess
import sys

import pytest
import torch

from lstsr.errors import LstsrError
from lstsr.registry import CLASSICAL, MODELS, RELEASED, TRAINED, build


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
