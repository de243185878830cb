"""Gains of one row over another."""

import pandas as pd
import pytest

from lstsr.evaluation.gains import gains_db


def test_gains_are_paired_by_scene_whatever_their_order() -> None:
    one = pd.DataFrame({"scene": ["b", "a"], "ubrmse_k": [1.0, 4.0]})
    bilinear = pd.DataFrame({"scene": ["a", "c", "b"], "ubrmse_k": [2.0, 9.0, 10.0]})
    found = gains_db(one, bilinear)
    assert found.to_dict() == pytest.approx({"b": 20.0, "a": -6.0206}, abs=1e-4)
