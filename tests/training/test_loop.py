"""Training as a whole: what it learns, what it leaves behind, and going on after a kill."""

import json
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lstsr.dataset.loader import Dataset
from lstsr.errors import LstsrError
from lstsr.metrics import ubrmse_k
from lstsr.registry import build
from lstsr.rows import Row
from lstsr.training import loop
from lstsr.training.checkpoint import load_checkpoint, read_header
from lstsr.training.loop import state_path, train
from lstsr.training.network_io import predict_scene, scene_normalisation
from tests.training.runs import assert_same_run, read_curve, train_until_killed


def validation_k(network: torch.nn.Module, data: Path) -> float:
    dataset = Dataset(data)
    errors_k = []
    for name in ("d", "e"):
        scene = dataset.scene(name, "observed-x4")
        normalisation = scene_normalisation(dataset, name, "observed-x4")
        prediction_k = predict_scene(network, scene, normalisation)
        errors_k.append(ubrmse_k(prediction_k, scene.target, scene.scored))
    return float(np.mean(errors_k))


@pytest.fixture(scope="module")
def trained(data: Path, row_json: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of a run that nothing interrupted."""
    output = tmp_path_factory.mktemp("models") / "row.safetensors"
    row = Row.from_dict(json.loads(row_json))
    train(data, row, output, accelerator="cpu", threads=1)
    return output


def test_the_curve_starts_at_the_base_and_falls(trained: Path, data: Path) -> None:
    curve = read_curve(trained)
    assert [point["step"] for point in curve] == [0, 6, 12, 18, 24]
    base_k = validation_k(build("bicubic", 4, 1), data)
    assert curve[0]["validation_ubrmse_k"] == pytest.approx(base_k, abs=1e-6)
    assert math.isnan(curve[0]["train_loss"])
    assert curve[-1]["validation_ubrmse_k"] < 0.95 * base_k
    seconds = [point["seconds"] for point in curve]
    assert seconds == sorted(seconds)


def test_the_checkpoint_holds_the_best_weights(trained: Path, data: Path, row_json: str) -> None:
    network, checkpoint = load_checkpoint(trained)
    best = min(read_curve(trained), key=lambda point: point["validation_ubrmse_k"])
    assert checkpoint.best_step == best["step"]
    assert checkpoint.steps == 24
    assert checkpoint.row == Row.from_dict(json.loads(row_json))
    assert checkpoint.reference_bands == ("ndvi",)
    assert checkpoint.validation_ubrmse_k == best["validation_ubrmse_k"]
    assert validation_k(network, data) == pytest.approx(best["validation_ubrmse_k"], abs=1e-6)


def test_the_checkpoint_gives_the_errors_of_each_validation_scene(
    trained: Path, data: Path
) -> None:
    network, checkpoint = load_checkpoint(trained)
    assert checkpoint.n_train == 3
    assert set(checkpoint.validation) == {"network", "bilinear", "local-linear"}
    for name, errors_k in checkpoint.validation.items():
        assert list(errors_k) == ["d", "e"]
        method = network if name == "network" else build(name, 4, 1).eval()
        assert np.mean(list(errors_k.values())) == pytest.approx(validation_k(method, data))
    assert checkpoint.validation_ubrmse_k == pytest.approx(validation_k(network, data))


def test_nothing_but_results_stays(trained: Path) -> None:
    names = sorted(path.name for path in trained.parent.iterdir())
    assert names == ["row.curve.csv", "row.safetensors", "tensorboard"]
    assert list(trained.parent.glob("tensorboard/row/events.*"))


@pytest.fixture(scope="module")
def killed(data: Path, row_json: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run killed without warning as it asks for batch 16: step 16 is done, its state is not kept.

    It ran without any of the packages in ABSENT.
    """
    output = tmp_path_factory.mktemp("killed") / "row.safetensors"
    train_until_killed(data, row_json, output, batch=16)
    return output


def test_a_killed_run_leaves_its_state_and_curve(killed: Path) -> None:
    assert not killed.exists()
    assert [point["step"] for point in read_curve(killed)] == [0, 6, 12]
    assert torch.load(state_path(killed), weights_only=True)["step"] == 15


def test_a_killed_run_ends_as_if_it_had_not_been(
    killed: Path, trained: Path, data: Path, row_json: str, tmp_path: Path
) -> None:
    shutil.copytree(killed.parent, tmp_path, dirs_exist_ok=True)
    output = tmp_path / killed.name
    train(data, Row.from_dict(json.loads(row_json)), output, accelerator="cpu", threads=1)
    assert not state_path(output).exists()
    assert_same_run(output, trained)


def test_cpu_seconds_are_of_the_steps_alone_also_after_a_kill(
    killed: Path,
    data: Path,
    row_dict: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With a clock that adds 1 s in every step, and 1000 s in every prediction of a scene."""
    now_s = 0

    def clock() -> int:
        nonlocal now_s
        now_s += 1
        return now_s

    def predict(*arguments: Any) -> Any:
        nonlocal now_s
        now_s += 1000
        return predict_scene(*arguments)

    shutil.copytree(killed.parent, tmp_path, dirs_exist_ok=True)
    resumed, whole = tmp_path / killed.name, tmp_path / "whole.safetensors"
    until_killed_s = torch.load(state_path(resumed), weights_only=True)["cpu_s"]
    assert 0 < until_killed_s < 600
    monkeypatch.setattr(loop.time, "process_time", clock)
    monkeypatch.setattr(loop, "predict_scene", predict)
    for output in (whole, resumed):
        train(data, Row.from_dict(row_dict), output, accelerator="cpu", threads=1)
    assert now_s > 1000
    assert read_header(whole).train_cpu_s == 24
    assert read_header(resumed).train_cpu_s == pytest.approx(until_killed_s + 24 - 15)


def test_a_row_of_two_tracks_goes_on_as_if_it_had_not_been_killed(
    data: Path, row_dict: dict[str, Any], tmp_path: Path
) -> None:
    """Killed in its pre-training, which ends at step 8."""
    row_dict["train"] |= {"steps": 12, "degraded_steps": 8, "degraded_share": 0.5}
    for folder in ("whole", "killed"):
        (tmp_path / folder).mkdir()
    whole, killed = (tmp_path / folder / "row.safetensors" for folder in ("whole", "killed"))
    train_until_killed(data, json.dumps(row_dict), killed, batch=7)
    for output in (whole, killed):
        train(data, Row.from_dict(row_dict), output, accelerator="cpu", threads=1)
    assert_same_run(killed, whole)


def test_a_state_that_does_not_belong_is_left_aside(
    killed: Path,
    data: Path,
    row_dict: dict[str, Any],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    output = tmp_path / "row.safetensors"
    row_dict["train"] |= {"steps": 1}
    row = Row.from_dict(row_dict)
    for content, reason in (
        (b"torn", "cannot be read"),
        (state_path(killed).read_bytes(), "belongs to another row, dataset or version"),
    ):
        caplog.clear()
        state_path(output).write_bytes(content)
        train(data, row, output, accelerator="cpu", threads=1)
        assert f"{state_path(output)}: {reason}" in caplog.text
        assert [point["step"] for point in read_curve(output)] == [0, 1]


def test_a_diverging_run_names_row_step_and_cure(
    data: Path, row_dict: dict[str, Any], tmp_path: Path
) -> None:
    output = tmp_path / "row.safetensors"
    row_dict["train"] |= {"learning_rate": 1e30, "warmup_steps": 0, "save_every": 1}
    with pytest.raises(
        LstsrError,
        match=r"dctnet-base-x4-observed-s3: .* not finite at step 2\. Lower train\.learning_rate "
        r"\(1e\+30\).* has the last saved step",
    ):
        train(data, Row.from_dict(row_dict), output, accelerator="cpu", threads=1)
    assert state_path(output).exists()
    assert not output.exists()


def test_whole_scenes_in_half_precision(
    data: Path, row_dict: dict[str, Any], tmp_path: Path
) -> None:
    """A patch of the scene's size meets in training what the network cached in validation."""
    output = tmp_path / "row.safetensors"
    row_dict["train"] |= {"steps": 4, "patch": 64, "precision": "bf16-mixed", "validate_every": 2}
    train(data, Row.from_dict(row_dict), output, accelerator="cpu", threads=1)
    assert [point["step"] for point in read_curve(output)] == [0, 2, 4]
    weights = load_checkpoint(output)[0].state_dict().values()
    assert all(tensor.dtype == torch.float32 for tensor in weights)


def test_rows_that_cannot_be_trained(data: Path, row_dict: dict[str, Any], tmp_path: Path) -> None:
    output = tmp_path / "row.safetensors"
    with pytest.raises(LstsrError, match="model bilinear has no weights"):
        train(data, Row.from_dict({**row_dict, "model": "bilinear"}), output)
    with pytest.raises(LstsrError, match="holds no a/observed-x8/input"):
        train(data, Row.from_dict({**row_dict, "scale": 8}), output)
