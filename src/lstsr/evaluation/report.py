"""One self-contained page with a run's table, exclusions and figures."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path

import pandas as pd

from lstsr.evaluation.score_files import origin_title, read_scores
from lstsr.evaluation.table import about
from lstsr.files import whole

STYLE = (
    "body{font:14px sans-serif;margin:2em;max-width:110em}table{border-collapse:collapse;"
    "font-size:12px}td,th{border:1px solid #ccc;padding:2px 6px}img{max-width:100%}"
)


def write_report(table: Path, excluded: Path, figures: Sequence[Path], output: Path) -> None:
    """Write ``output``: the tables as HTML, the figures embedded."""
    scores = read_scores(table)
    lost = pd.read_csv(excluded, dtype=str, keep_default_na=False)
    datasets = scores[["dataset", "origin"]].drop_duplicates()
    names = (origin_title(*one) for one in datasets.itertuples(index=False))
    title = f"lstsr: {', '.join(names)}"
    parts = [
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{escape(title)}</title>",
        f"<style>{STYLE}</style><h1>{escape(title)}</h1>",
        f"<p>{escape(about(scores))}</p>",
        scores.to_html(index=False, float_format="{:.3f}".format, na_rep="", border=0),
        f"<h2>Excluded scenes: {len(lost)}</h2>",
        lost.to_html(index=False, border=0) if len(lost) else "<p>None.</p>",
        *(_figure(path) for path in figures),
        "</html>",
    ]
    with whole(output) as partial:
        partial.write_text("\n".join(parts), "utf-8")


def _figure(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    name = escape(path.stem)
    return f"<h2>{name}</h2><img alt='{name}' src='data:image/png;base64,{data}'>"
