"""The page holds everything itself, and nothing that a name smuggles in."""

import base64
from pathlib import Path

import pytest

from lstsr.evaluation.report import write_report

PNG = b"\x89PNG\r\n\x1a\n not really"


@pytest.mark.parametrize("lost", ["", "007,align,a <script>alert(1)</script>\n"])
def test_a_self_contained_page(tmp_path: Path, lost: str) -> None:
    table, excluded, figure = (tmp_path / name for name in ("t.csv", "e.csv", "split & map.png"))
    table.write_text("dataset,model,variant,ubrmse_k\n<b>0815</b>,dctnet,base,0.98765\n")
    excluded.write_text("scene,stage,reason\n" + lost)
    figure.write_bytes(PNG)
    write_report(table, excluded, [figure], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<td>dctnet</td>" in page and "<td>0.988</td>" in page
    assert f"src='data:image/png;base64,{base64.b64encode(PNG).decode()}'" in page
    assert "split &amp; map" in page and "split & map" not in page
    assert "&lt;b&gt;0815" in page and "<b>0815" not in page
    assert f"Excluded scenes: {1 if lost else 0}" in page
    assert "<script" not in page and "http" not in page
    assert page.count("src=") == page.count("src='data:")
    if lost:
        assert "<td>007</td>" in page and "&lt;script&gt;alert(1)" in page
    else:
        assert "None." in page


def test_a_dataset_named_by_a_number(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("dataset,model\n007,bilinear\n")
    (tmp_path / "e.csv").write_text("scene,stage,reason\n")
    write_report(tmp_path / "t.csv", tmp_path / "e.csv", [], tmp_path / "report.html")
    assert "<h1>lstsr: 007</h1>" in (tmp_path / "report.html").read_text("utf-8")
