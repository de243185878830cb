"""The table against scores written by hand."""

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from lstsr.errors import LstsrError
from lstsr.evaluation.columns import SCORE_COLUMNS
from lstsr.evaluation.table import gains_db, tabulate, write_tables
from lstsr.files import write_csv
from lstsr.metrics import INTERVAL_SCENES

COLUMNS = (
    "dataset, origin, split, track, scale, input_m, target_m, grid, model, variant, seed, n_train, "
    "n_scenes, n_pixels, psnr_db, ssim, mse, rmse_k, ubrmse_k, mae_k, bias_k, gain_db, "
    "gain_db_low, gain_db_high, scenes_won, gain_over_local_linear_db, "
    "gain_over_local_linear_db_low, gain_over_local_linear_db_high, consistency_k, lattice, "
    "spectrum_db, spectrum_bias_db, parameters, macs_per_pixel, steps, version, "
    "input, reference"
)
UBRMSE_K = {
    "bilinear": {"007": 2.0, "NA": 1.0},
    "local-linear": {"007": 1.0, "NA": 1.0},
    "dctnet": {"007": 0.5, "NA": 1.25},
}


def record(model: str, scene: str, ubrmse_k: float, **more: Any) -> dict[str, Any]:
    values = dict.fromkeys(("psnr_db", "ssim", "mse", "rmse_k", "mae_k", "bias_k"), ubrmse_k)
    return {
        "dataset": "sample",
        "origin": "simulated",
        "split": "test",
        "track": "observed",
        "scale": 4,
        "input_m": 1000.0,
        "target_m": 250.0,
        "grid": "input/4",
        "model": model,
        "variant": "base",
        "seed": 0,
        "n_train": 30,
        "input": "GK2A/AMI (gk2a-l1b)",
        "reference": "Landsat (landsat)",
        "scene": scene,
        "n_pixels": 1000.0 if scene == "NA" else 500.0,
        "ubrmse_k": ubrmse_k,
        "consistency_k": 0.25,
        "lattice": 1.0 if scene == "NA" else 1.5,
        "spectrum_db": 7.0,
        "spectrum_bias_db": -6.0 if scene == "NA" else 2.0,
        "target_grid_n_pixels": 400.0,
        "target_grid_ubrmse_k": 2 * ubrmse_k,
        "parameters": 1234567,
        "macs_per_pixel": 10.5,
        "steps": 400,
        "train_seconds": 7.0,
        "train_cpu_s": 5.0,
        "predict_seconds": 1.0 if scene == "NA" else 2.0,
        "version": "0.1.0",
    } | (values | more)


def rows_of(**more: Any) -> dict[str, list[dict[str, Any]]]:
    return {
        model: [record(model, scene, value, **more) for scene, value in scenes.items()]
        for model, scenes in UBRMSE_K.items()
    }


def write(folder: Path, rows: dict[str, list[dict[str, Any]]]) -> list[Path]:
    paths = []
    for name, records in rows.items():
        paths.append(folder / "scores" / f"{name}.csv")
        write_csv(paths[-1], SCORE_COLUMNS, records)
    return paths


def test_columns_gains_and_scenes_won(tmp_path: Path) -> None:
    write_tables(write(tmp_path, rows_of()), tmp_path / "table.csv", 500)
    table = pd.read_csv(tmp_path / "table.csv")
    assert list(table.columns) == COLUMNS.split(", ")
    rows = table.set_index("model")
    assert list(rows.index) == list(UBRMSE_K)

    def db(ratio: float) -> float:
        return 20 * math.log10(ratio)

    network = rows.loc["dctnet"]
    assert network.gain_db == pytest.approx((db(4) + db(0.8)) / 2, abs=1e-6)
    assert network.scenes_won == 1
    assert network.gain_over_local_linear_db == pytest.approx((db(2) + db(0.8)) / 2, abs=1e-6)
    assert (rows["origin"] == "simulated").all()
    assert rows.loc["bilinear", "gain_db"] == 0
    assert rows.loc["bilinear", "scenes_won"] == 0
    assert (network.n_scenes, network.n_pixels, network.n_train) == (2, 1500, 30)
    assert network.ubrmse_k == pytest.approx(0.875)
    assert (network.lattice, network.spectrum_db, network.spectrum_bias_db) == (1.25, 7, -2)
    assert (network.parameters, network.version) == (1234567, "0.1.0")

    for name in ("scenes", "scenes_target_grid", "surfaces", "timings"):
        columns = (tmp_path / f"{name}.csv").read_text().splitlines()[0]
        assert columns.startswith("dataset,origin,split,track"), name
    scenes = pd.read_csv(tmp_path / "scenes.csv", dtype=str, keep_default_na=False)
    assert scenes["scene"].tolist() == ["007", "NA"] * 3
    assert scenes["lattice"].tolist() == ["1.5", "1.0"] * 3
    native = pd.read_csv(tmp_path / "scenes_target_grid.csv", dtype={"scene": str})
    assert native["ubrmse_k"].tolist() == [4, 2, 2, 2, 1, 2.5]
    timings = pd.read_csv(tmp_path / "timings.csv")
    assert list(timings.columns[-3:]) == ["train_seconds", "train_cpu_s", "predict_seconds"]
    assert timings.iloc[:, -3:].to_numpy().tolist() == [[7, 5, 1.5]] * 3


def many_scenes(count: int) -> dict[str, list[dict[str, Any]]]:
    """The network has a tenth of bilinear's error in the first scene, and the same elsewhere."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for model in UBRMSE_K:
        first = 0.1 if model == "dctnet" else 1.0
        ubrmse_k = [first] + [1.0] * (count - 1)
        rows[model] = [record(model, f"s{index}", value) for index, value in enumerate(ubrmse_k)]
    return rows


def test_five_scenes_give_an_interval(tmp_path: Path) -> None:
    write_tables(write(tmp_path, many_scenes(5)), tmp_path / "table.csv", 2000)
    network = pd.read_csv(tmp_path / "table.csv").set_index("model").loc["dctnet"]
    # a draw of five takes the scene that gains 20 dB never (33 %) to three times (99.3 %)
    for name in ("gain_db", "gain_over_local_linear_db"):
        gain = network[[name, f"{name}_low", f"{name}_high"]].tolist()
        assert gain == pytest.approx([4, 0, 12], abs=1e-5)
    text = (tmp_path / "table.md").read_text()
    assert "| +4.00 (+0.00 .. +12.00) |" in text
    assert "Intervals: 95 %, paired bootstrap over scenes." in text and "No interval" not in text


@pytest.mark.parametrize(("count", "said"), [(1, "1 scene is"), (4, "4 scenes are")])
def test_fewer_scenes_leave_the_interval_empty_and_the_text_says_why(
    tmp_path: Path, count: int, said: str
) -> None:
    assert INTERVAL_SCENES == 5
    write_tables(write(tmp_path, many_scenes(count)), tmp_path / "table.csv", 100)
    table = pd.read_csv(tmp_path / "table.csv", dtype=str, keep_default_na=False)
    for name in ("gain_db", "gain_over_local_linear_db"):
        assert (table[[f"{name}_low", f"{name}_high"]] == "").all(axis=None)
        assert float(table.set_index("model").loc["dctnet", name]) == pytest.approx(20 / count)
    text = (tmp_path / "table.md").read_text()
    assert f"| +{20 / count:.2f} |" in text and ".. " not in text and "nan" not in text
    assert f"No interval: {said} fewer than five." in text


def test_each_block_says_why_it_has_no_interval(tmp_path: Path) -> None:
    few = {
        f"x8-{name}": [row | {"scale": 8} for row in rows] for name, rows in many_scenes(3).items()
    }
    write_tables(write(tmp_path, many_scenes(5) | few), tmp_path / "table.csv", 100)
    many, less = (tmp_path / "table.md").read_text().split("###")[1:]
    assert "Intervals: 95 %" in many and "No interval" not in many
    assert "No interval: 3 scenes are fewer than five." in less and "Intervals" not in less


def test_folds_are_pooled_and_listed(tmp_path: Path) -> None:
    """Three scenes in two folds: one line for each row, and one for each fold of it."""
    ubrmse_k = {"a": (4.0, 2.0, 1.0), "b": (2.0, 2.0, 0.5), "c": (1.0, 0.5, 2.0)}
    fold_of = {"a": 0, "b": 0, "c": 1}
    rows = {
        f"{model}-f{fold}": [
            record(model, scene, values[index], fold=fold, n_train=30 - fold)
            for scene, values in ubrmse_k.items()
            if fold_of[scene] == fold
        ]
        for index, model in enumerate(UBRMSE_K)
        for fold in (0, 1)
    }
    write_tables(write(tmp_path, rows), tmp_path / "table.csv", 100)
    table = pd.read_csv(tmp_path / "table.csv")
    assert list(table.columns) == COLUMNS.replace("n_train", "folds, n_train").split(", ")
    assert table["model"].tolist() == list(UBRMSE_K)
    network = table.set_index("model").loc["dctnet"]
    assert (network.n_train, network.folds, network.n_scenes, network.scenes_won) == (29, 2, 3, 2)
    assert network.gain_db == pytest.approx(20 * math.log10(4 * 4 / 2) / 3, abs=1e-6)
    assert network.ubrmse_k == pytest.approx(3.5 / 3, abs=1e-6)
    over_linear = 20 * math.log10(2 * 4 / 4) / 3
    assert network.gain_over_local_linear_db == pytest.approx(over_linear, abs=1e-6)
    folds = pd.read_csv(tmp_path / "folds.csv").set_index(["model", "fold"])
    assert len(folds) == 6
    first, second = folds.loc[("dctnet", 0)], folds.loc[("dctnet", 1)]
    assert first[["n_train", "n_scenes", "scenes_won"]].tolist() == [30, 2, 2]
    assert second[["n_train", "n_scenes", "scenes_won"]].tolist() == [29, 1, 0]
    assert first.gain_db == pytest.approx(20 * math.log10(4), abs=1e-5)
    assert second.gain_db == pytest.approx(-20 * math.log10(2), abs=1e-5)
    assert second.gain_over_local_linear_db == pytest.approx(-20 * math.log10(4), abs=1e-5)
    text = (tmp_path / "table.md").read_text()
    assert "Split test, by 2 regional folds: 3 scenes" in text
    assert "at least 29 training scenes in each fold." in text


def test_gains_stay_within_their_block(tmp_path: Path) -> None:
    """A degraded block of its own bilinear, and no scores on the target's grid."""
    degraded: dict[str, Any] = {"track": "degraded-block", "scale": 8}
    absent = {"target_grid_n_pixels": None, "target_grid_ubrmse_k": None}
    other = rows_of(**degraded, **absent)
    for row in other["bilinear"]:
        row["ubrmse_k"] *= 10
    mixed = rows_of() | {f"x8-{name}": rows for name, rows in other.items()}
    write_tables(write(tmp_path, mixed), tmp_path / "table.csv", 100)
    table = pd.read_csv(tmp_path / "table.csv")
    gains = table[table["model"] == "dctnet"].set_index("track")["gain_db"]
    assert gains["degraded-block"] - gains["observed"] == pytest.approx(20, abs=1e-5)
    assert set(pd.read_csv(tmp_path / "scenes_target_grid.csv")["track"]) == {"observed"}


def test_a_variant_of_a_baseline_is_a_row_like_another(tmp_path: Path) -> None:
    rows = rows_of()
    wide = [record("local-linear", scene, 4.0, variant="wide") for scene in ("007", "NA")]
    write_tables(write(tmp_path, rows | {"wide": wide}), tmp_path / "table.csv", 100)
    table = pd.read_csv(tmp_path / "table.csv")
    assert table["variant"].tolist() == ["base"] * 3 + ["wide"]
    over = table["gain_over_local_linear_db"].tolist()
    assert over[1] == 0 and over[3] == pytest.approx(20 * math.log10(1 / 4), abs=1e-6)


def test_the_markdown_says_what_was_measured(tmp_path: Path) -> None:
    write_tables(write(tmp_path, rows_of()), tmp_path / "table.csv", 100)
    text = (tmp_path / "table.md").read_text()
    for said in (
        "### sample (simulated data), track observed x4 (1000 m to 250 m)",
        "Input: GK2A/AMI (gk2a-l1b). Reference: Landsat (landsat). Split test, by place only",
        "2 scenes, 1,500 pixels",
        "grid input/4; 30 training scenes.",
        "kelvin",
        "240..340 K to 0..255",
        "1,234,567",
        "| -2.0 |",
        "No interval: 2 scenes are fewer than five.",
        "| 1/2 |",
    ):
        assert said in text
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len(lines) == 5 and len({line.count("|") for line in lines}) == 1


def test_a_second_call_gives_the_same_bytes(tmp_path: Path) -> None:
    paths = write(tmp_path, rows_of())
    for folder in ("a", "b"):
        write_tables(paths, tmp_path / folder / "table.csv", 200)
    files = sorted(file.name for file in (tmp_path / "a").iterdir())
    named = ("scenes", "scenes_target_grid", "surfaces", "table", "timings")
    assert files == sorted(["table.md", *(f"{name}.csv" for name in named)])
    for name in files:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_rows_scored_on_other_pixels_are_refused(tmp_path: Path) -> None:
    rows = rows_of()
    rows["dctnet"][1]["n_pixels"] -= 1
    with pytest.raises(LstsrError, match=r"dctnet base s0 and bilinear base s0 .*\(scene NA\)"):
        write_tables(write(tmp_path, rows), tmp_path / "table.csv", 10)
    assert not (tmp_path / "table.csv").exists()
    rows = rows_of()
    rows["dctnet"].pop(0)
    with pytest.raises(LstsrError, match=r"\(scene 007\)"):
        tabulate(pd.DataFrame([one for row in rows.values() for one in row]), 10)
    rows = rows_of()
    del rows["local-linear"]
    with pytest.raises(LstsrError, match="no scores of local-linear"):
        tabulate(pd.DataFrame([one for row in rows.values() for one in row]), 10)


def test_surfaces_stand_apart_and_average_the_scenes_that_show_them(tmp_path: Path) -> None:
    rows = rows_of(land_n_pixels=400, land_rmse_k=1.0, land_ubrmse_k=0.5, land_bias_k=-0.5)
    wet = {"water_n_pixels": 30, "water_rmse_k": 2.0, "water_ubrmse_k": 1.0, "water_bias_k": 1.5}
    for scenes in rows.values():
        scenes[0] |= wet
        scenes[1] |= {"water_n_pixels": 0}
    write_tables(write(tmp_path, rows), tmp_path / "table.csv", 100)
    found = pd.read_csv(tmp_path / "surfaces.csv")
    assert found["surface"].tolist() == ["land"] * 3 + ["water"] * 3
    assert found["n_scenes"].tolist() == [2, 2, 2, 1, 1, 1]
    assert found["n_pixels"].tolist() == [800] * 3 + [30] * 3
    assert found["rmse_k"].tolist() == [1.0] * 3 + [2.0] * 3
    assert found["bias_k"].tolist() == [-0.5] * 3 + [1.5] * 3


def test_gains_are_paired_by_scene_whatever_their_order() -> None:
    one = pd.DataFrame({"scene": ["b", "a"], "ubrmse_k": [1.0, 4.0]})
    bilinear = pd.DataFrame({"scene": ["a", "c", "b"], "ubrmse_k": [2.0, 9.0, 10.0]})
    found = gains_db(one, bilinear)
    assert found.to_dict() == pytest.approx({"b": 20.0, "a": -6.0206}, abs=1e-4)
