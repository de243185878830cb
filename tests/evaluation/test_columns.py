"""How score files are read, and what their columns need."""

from pathlib import Path

import numpy as np

from lstsr.evaluation.columns import SCORE_COLUMNS, read_scores
from lstsr.files import write_csv
from lstsr.fingerprint import closure


def test_names_stay_text(tmp_path: Path) -> None:
    names_of = {
        "scene": "007",
        "dataset": "NA",
        "origin": "simulated",
        "variant": "1e3",
        "ssim": "",
        "rmse_k": "nan",
    }
    write_csv(tmp_path / "scores.csv", SCORE_COLUMNS, [names_of | {"mse": 1.5}])
    one = read_scores(tmp_path / "scores.csv").iloc[0]
    assert (one.scene, one.dataset, one.variant, one.mse) == ("007", "NA", "1e3", 1.5)
    assert np.isnan(one.ssim) and np.isnan(one.rmse_k)


def test_table_and_report_do_not_depend_on_resampling() -> None:
    for stage in ("table", "report"):
        assert not {"lstsr.geo.resample", "lstsr.dataset.loader"} & closure(
            f"lstsr.evaluation.{stage}"
        )
