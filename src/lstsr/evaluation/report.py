"""The report: one self-contained page with the table, exclusions and figures of a run."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape
from pathlib import Path
from string import Template

import pandas as pd

from lstsr.evaluation.columns import origin_title, read_scores
from lstsr.evaluation.table import about
from lstsr.files import whole

PAGE_TEMPLATE = Template("""\
<!doctype html><html lang='en'><meta charset='utf-8'><title>$title</title>
<style>
body{font:14px sans-serif;margin:2em;max-width:110em}img{max-width:100%}
table{border-collapse:collapse;font-size:12px}td,th{border:1px solid #ccc;padding:2px 6px}
</style>
<h1>$title</h1>
<p>$about</p>
$table
<h2>Excluded scenes: $n_excluded</h2>
$excluded
$figures
</html>""")
FIGURE_TEMPLATE = Template("<h2>$name</h2><img alt='$name' src='data:image/png;base64,$data'>")


def write_report(table: Path, excluded: Path, figures: Sequence[Path], output: Path) -> None:
    """Write ``output``: the tables as HTML, the figures (PNG) embedded."""
    scores = read_scores(table)
    lost = pd.read_csv(excluded, dtype=str, keep_default_na=False)
    datasets = scores[["dataset", "origin"]].drop_duplicates().itertuples(index=False)
    page = PAGE_TEMPLATE.substitute(
        title=escape(f"lstsr: {', '.join(origin_title(*names) for names in datasets)}"),
        about=escape(about(scores)),
        table=scores.to_html(index=False, float_format="{:.3f}".format, na_rep="", border=0),
        n_excluded=len(lost),
        excluded=lost.to_html(index=False, border=0) if len(lost) else "<p>None.</p>",
        figures="\n".join(map(_figure, figures)),
    )
    with whole(output) as partial:
        partial.write_text(page, "utf-8")


def _figure(path: Path) -> str:
    data = base64.b64encode(path.read_bytes()).decode()
    return FIGURE_TEMPLATE.substitute(name=escape(path.stem), data=data)
