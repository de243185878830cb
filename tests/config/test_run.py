"""What the sections of a run must have in common."""

from __future__ import annotations

from typing import Any

import pytest

from lstsr.config import validate
from lstsr.errors import LstsrError
from tests.config.examples import MINIMAL, changed, optical


@pytest.mark.parametrize(
    ("provider", "stated", "origin"),
    [
        ("generate", None, "simulated"),
        ("generate", "simulated", "simulated"),
        ("local", None, "observed"),
        ("local", "observed", "observed"),
        ("local", "simulated", "simulated"),
        ("download", None, "observed"),
    ],
)
def test_the_origin_follows_the_provider_unless_it_is_stated(
    provider: str, stated: str | None, origin: str
) -> None:
    data = changed("acquire", {"provider": provider}) | ({"origin": stated} if stated else {})
    config = validate(data)
    assert config.origin == origin
    assert config.model_dump(mode="json")["origin"] == origin


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"model": "srcnn", "variant": "off", "guide": "off"}, "guide = 'off': srcnn sees no"),
        (
            {"model": "esrnet", "options": {"base": "local-linear"}},
            "the reference, but esrnet",
        ),
        (
            {"model": "esrnet", "options": {"bands": 3}},
            "options.bands: lstsr takes it from",
        ),
        ({"model": "tsharp"}, "tsharp needs a reference band ndvi, but the bands are lst"),
        ({"model": "tsharp", "options": {"ndvi": 0}}, "options.ndvi: lstsr takes it from sensors"),
        (
            {"model": "esrgan", "train": {"steps": 500, "adversarial": {}}},
            "warm_up_steps = 500 of esrgan-base-x4-observed-s0 leaves none of its 500 steps",
        ),
        (
            {"model": "dctnet", "train": {"steps": 50, "degraded_steps": 50}},
            "degraded_steps = 50 of dctnet-base-x4-observed-s0 leaves none of its 50 steps",
        ),
    ],
)
def test_a_row_is_what_its_name_says(model: dict[str, Any], words: str) -> None:
    with pytest.raises(LstsrError) as caught:
        validate(changed("models", [model]))
    assert words in str(caught.value)


def released(blocks: list[str], band: str, **train: Any) -> dict[str, Any]:
    data = changed("sensors.reference.names", [band])
    return data | {"models": [{"model": "sc-unet", "blocks": blocks, "train": train}]}


def test_released_weights_come_from_a_file_and_serve_one_scale_and_reference() -> None:
    fits = {"blocks": ["observed-x4"], "band": "ndvi", "initial": "sc-unet.safetensors"}
    assert [row.train.initial for row in validate(released(**fits)).rows() if row.train] == [
        "sc-unet.safetensors"
    ]
    for other, words in (
        ({"initial": None}, r"train\.initial: sc-unet-base-x4-observed-s0 needs a file"),
        ({"band": "red"}, "sc-unet-base-x4-observed-s0 needs .* ndvi alone, not red"),
        ({"blocks": ["degraded-block-x8"]}, "sc-unet-base-x8-.* needs a block of x4"),
    ):
        with pytest.raises(LstsrError, match=words):
            validate(released(**fits | other))


def test_training_against_a_discriminator_is_a_models_affair() -> None:
    with pytest.raises(LstsrError, match=r"train\.adversarial: set it in the train section"):
        validate(changed("train.adversarial", {}))


@pytest.mark.parametrize(
    "other", [{"guide": "off"}, {"normalisation": "min-max"}, {"harmonised": True}]
)
def test_a_row_that_sees_something_else_has_a_name_of_its_own(other: dict[str, Any]) -> None:
    with pytest.raises(LstsrError, match="variant = 'base': this row does not see the plain input"):
        validate(changed("models", [{"model": "dctnet"} | other]))


KELVIN, NDVI = {"target": {"product": "landsat"}}, {"target": {"product": "goci2"}}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"task": "lst"}, "sensors.input: task lst needs it"),
        ({"sensors": MINIMAL["sensors"]}, "sensors.input: task optical makes it from the target"),
        ({"sensors": KELVIN}, "sensors.target.unit = 'kelvin': a target alone must be reflectance"),
        ({"sensors": NDVI}, "sensors.target.bands: ndvi is not a reflectance"),
        ({"sensors": {"input": MINIMAL["sensors"]["input"], **KELVIN}}, "reference is missing"),
        ({"blocks": [{"track": "observed", "scale": 2}]}, "observed-x2 must be degraded-block"),
        (
            {"models": [{"model": "dctnet"}]},
            "models.0.model = 'dctnet': task optical has no",
        ),
        ({"align": {"layers": ["water"]}}, "align: task optical has no layers"),
        ({"acquire": {"provider": "download"}}, "acquire.provider = 'download' is for triplets"),
        ({"packing": {"water": "masked"}}, "packing.water = 'masked': task optical has no water"),
        (
            {"models": [{"model": "esrnet", "variant": "n", "normalisation": "min-max"}]},
            "models.0.normalisation: this key is for task lst",
        ),
    ],
)
def test_what_an_optical_run_cannot_have_is_refused(fault: dict[str, Any], words: str) -> None:
    with pytest.raises(LstsrError) as caught:
        validate(optical(**fault))
    assert words in str(caught.value)


def test_a_folder_of_data_that_no_provider_reads_is_told() -> None:
    data = {key: value for key, value in MINIMAL.items() if key != "acquire"}
    with pytest.raises(LstsrError, match="data: without config key acquire, .*provider: local"):
        validate(data | {"data": "mine"})


def test_a_band_may_not_be_called_like_a_layer() -> None:
    reference = {"sensor": "x", "unit": "index", "names": ["slope"]}
    sensors = MINIMAL["sensors"] | {"reference": reference}
    with pytest.raises(LstsrError, match="align.layers: slope is also a band"):
        validate(MINIMAL | {"sensors": sensors, "align": {"layers": ["slope"]}})


def test_history_has_three_channels_and_needs_the_target_as_anchor() -> None:
    grid = {"crs": "EPSG:5179", "spacing_m": 2000}
    align = {"anchor": "target", "grid": grid, "layers": ["history", "slope"]}
    seen = {"model": "srcnn", "variant": "seen", "layers": ["history", "slope"]}
    rows = validate(MINIMAL | {"align": align, "models": [seen]}).rows()
    shown = [row.channels[1:] for row in rows if row.variant == "seen"]
    assert shown and all(
        channels == ["history", "history_age", "history_count", "slope"] for channels in shown
    )
    with pytest.raises(LstsrError, match="layers: layer history uses .* Set anchor to target"):
        validate(MINIMAL | {"align": {"layers": ["history"]}})
    reference = {"sensor": "x", "unit": "index", "names": ["history_age"]}
    sensors = MINIMAL["sensors"] | {"reference": reference}
    with pytest.raises(LstsrError, match="align.layers: history_age is also a band"):
        validate(MINIMAL | {"sensors": sensors, "align": align})
