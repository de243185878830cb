"""Gain of one row over another, scene by scene, and the note on its bootstrap interval."""

from __future__ import annotations

import pandas as pd

from lstsr.metrics import INTERVAL_SCENES, gain_db


def gains_db(scores: pd.DataFrame, baseline: pd.DataFrame) -> pd.Series:
    """Gain of the row ``scores`` over the row ``baseline`` in each scene, dB.

    It compares ubRMSE, or RMSE of optical images. The index is the scenes of ``scores``, which
    ``baseline`` must all hold.
    """
    error = "ubrmse_k" if "ubrmse_k" in scores else "rmse"
    own, base = (rows.set_index("scene")[error] for rows in (scores, baseline))
    return base.loc[own.index].combine(own, gain_db)


def interval_note(n_scenes: int) -> str:
    """One sentence on the bootstrap interval of a gain over ``n_scenes`` scenes."""
    if n_scenes >= INTERVAL_SCENES:
        return "Intervals: 95 %, paired bootstrap over scenes."
    scenes = "1 scene is" if n_scenes == 1 else f"{n_scenes} scenes are"
    return f"No interval: {scenes} fewer than five."
