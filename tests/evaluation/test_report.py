"""The page holds everything itself, and nothing that a name smuggles in."""

import base64
from pathlib import Path

import pytest

from lstsr.errors import LstsrError
from lstsr.evaluation.report import write_report

PNG = b"\x89PNG\r\n\x1a\n not really"


@pytest.mark.parametrize("lost", ["", "007,align,a <script>alert(1)</script>\n"])
def test_a_self_contained_page(tmp_path: Path, lost: str) -> None:
    table, excluded, figure = (tmp_path / name for name in ("t.csv", "e.csv", "split & map.png"))
    table.write_text(
        "dataset,origin,model,variant,n_scenes,ubrmse_k,gain_db,gain_db_low\n"
        "<b>0815</b>,simulated,dctnet,base,3,0.98765,1.5,\n"
    )
    excluded.write_text("scene,stage,reason\n" + lost)
    figure.write_bytes(PNG)
    write_report(table, excluded, [figure], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<td>dctnet</td>" in page and "<td>0.988</td>" in page
    assert f"src='data:image/png;base64,{base64.b64encode(PNG).decode()}'" in page
    assert "split &amp; map" in page and "split & map" not in page
    assert "<td>1.500</td>\n      <td></td>" in page and "NaN" not in page
    assert "No interval: 3 scenes are fewer than five." in page
    assert "<h1>lstsr: &lt;b&gt;0815&lt;/b&gt; (simulated data)</h1>" in page
    assert "<td>simulated</td>" in page
    assert "&lt;b&gt;0815" in page and "<b>0815" not in page
    assert f"Excluded scenes: {1 if lost else 0}" in page
    assert "<script" not in page and "http" not in page
    assert page.count("src=") == page.count("src='data:")
    if lost:
        assert "<td>007</td>" in page and "&lt;script&gt;alert(1)" in page
    else:
        assert "None." in page


def test_a_dataset_named_by_a_number(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("dataset,origin,model,n_scenes\n007,observed,bilinear,5\n")
    (tmp_path / "e.csv").write_text("scene,stage,reason\n")
    write_report(tmp_path / "t.csv", tmp_path / "e.csv", [], tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<h1>lstsr: 007 (observed data)</h1>" in page and "No interval" not in page


def test_a_table_that_does_not_say_its_origin_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("dataset,model,n_scenes\n007,bilinear,5\n")
    (tmp_path / "e.csv").write_text("scene,stage,reason\n")
    with pytest.raises(LstsrError, match=r"t\.csv: the column origin is missing\. Run"):
        write_report(tmp_path / "t.csv", tmp_path / "e.csv", [], tmp_path / "report.html")
