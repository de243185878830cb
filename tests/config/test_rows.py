"""The rows of a run."""

from __future__ import annotations

import pytest

from lstsr.config import AdversarialSettings, validate
from lstsr.errors import LstsrError
from lstsr.registry import BASELINES, CLASSICAL
from tests.config.examples import MINIMAL, changed, optical


def test_rows_come_in_a_fixed_order_with_names_of_their_own() -> None:
    data = changed("seeds", [3, 1])
    data["models"][1] |= {"variant": "long", "blocks": ["observed-x4"], "train": {"steps": 7}}
    rows = list(validate(data).rows())
    names = [row.name for row in rows]
    assert names == [row.name for row in validate(data).rows()]
    assert len(set(names)) == len(names)
    assert [row.name for row in rows if row.block == "observed-x4"] == [
        "bilinear-base-x4-observed-s0",
        "bicubic-base-x4-observed-s0",
        "bicubic-backprojected-base-x4-observed-s0",
        "global-linear-base-x4-observed-s0",
        "local-linear-base-x4-observed-s0",
        "esrnet-base-x4-observed-s3",
        "esrnet-base-x4-observed-s1",
        "dctnet-long-x4-observed-s3",
        "dctnet-long-x4-observed-s1",
    ]
    assert not any(row.model == "dctnet" for row in rows if row.block == "degraded-block-x8")
    assert all((row.train is None) == (row.model in CLASSICAL) for row in rows)


def test_classical_methods_outside_the_baselines_have_a_row_if_listed() -> None:
    listed = [{"model": "tsharp"}, {"model": "dms", "options": {"trees": 3}}, {"model": "atprk"}]
    data = changed("models", listed)
    data["sensors"]["reference"]["names"] = ["red", "ndvi"]
    rows = [row for row in validate(data).rows() if row.block == "observed-x4"]
    added = [(row.model, row.options) for row in rows if row.model not in BASELINES]
    assert added == [("tsharp", {"ndvi": 1}), ("dms", {"trees": 3}), ("atprk", {})]
    assert len(rows) == len(BASELINES) + len(added)
    assert all(row.train is None and row.seed == 0 for row in rows)


def test_a_model_trains_as_the_run_does_but_for_what_it_names() -> None:
    data = changed("train", {"steps": 50, "batch": 3})
    data["models"][1]["train"] = {"steps": 7, "adversarial": {"warm_up_steps": 2}}
    steps = {row.model: row.train for row in validate(data).rows() if row.train}
    assert (steps["esrnet"].steps, steps["esrnet"].batch) == (50, 3)
    assert (steps["dctnet"].steps, steps["dctnet"].batch) == (7, 3)
    assert steps["esrnet"].adversarial is None
    assert steps["dctnet"].adversarial == AdversarialSettings(warm_up_steps=2)


def test_every_row_exists_once_per_fold() -> None:
    data = changed("split", {"folds": 3, "buffer_km": 20})
    plain, rows = list(validate(MINIMAL).rows()), list(validate(data).rows())
    assert [row.name for row in rows] == [f"{one.name}-f{k}" for one in plain for k in range(3)]
    assert [row.experiment for row in rows] == [one.name for one in plain for _ in range(3)]
    assert [row.fold for row in rows] == [0, 1, 2] * len(plain)


def test_an_unregistered_row_sees_the_reference_as_delivered() -> None:
    data = changed("align.layers", ["unregistered", "water"])
    how = {"guide": "unregistered", "variant": "unregistered"}
    data["models"] = [
        {"model": "local-linear"} | how,
        {"model": "dctnet", "layers": ["water"]} | how,
    ]
    shown = {row.model: row.channels for row in validate(data).rows() if row.variant != "base"}
    assert shown == {
        "local-linear": ["unregistered_lst"],
        "dctnet": ["unregistered_lst", "water"],
    }
    data["align"]["layers"] = ["water"]
    with pytest.raises(
        LstsrError, match=r"models\.0\.guide: unregistered is missing in align\.layers"
    ):
        validate(data)


def test_an_optical_run_has_the_rows_that_need_no_reference() -> None:
    rows = list(validate(optical()).rows())
    assert [row.model for row in rows] == [
        "bilinear",
        "bicubic",
        "bicubic-backprojected",
        "esrnet",
    ]
    assert [row.options for row in rows] == [{}, {}, {}, {"bands": 3}]
    assert all(row.channels == [] for row in rows)
