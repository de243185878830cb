from pathlib import Path

import pytest

from lstsr.errors import LstsrError
from lstsr.transfer.paths import file_name, safe_path

KMA = "https://apihub.kma.go.kr/api/typ05/api/GK2A/LE2/LST/KO/data?date="


@pytest.mark.parametrize(
    "name",
    [
        "gk2a_ami_le1b_ir105_la020ge_202507190534.nc",
        "AMI/L1B/LA/202507/19/05/x.nc",
        "LC08_L2SP_116034_20250719_02_T1_ST_B10.TIF",
        "천리안.nc",
        "..x..y",
        "console.nc",
    ],
)
def test_ordinary_names_lie_inside(tmp_path: Path, name: str) -> None:
    assert safe_path(tmp_path, name) == tmp_path / name


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "/etc/passwd", "../x", "a/../../x", "a/..", "a//b", "a/", "./a"),
        *("a\\b", "..\\x", "C:\\x", "C:x", "a\0b", "a\nb", "a\x1b[2Jb", "a\u202etxt.nc", "\x7f"),
        *("con", "NUL.nc", "a/com1.txt", "LPT9", "a.", "a ", " a", "a:b", "a?b", "a|b"),
        *("x.part", "x.part.json", "x" * 201, "온" * 67),
    ],
)
def test_other_names_are_refused_in_one_line(tmp_path: Path, name: str) -> None:
    with pytest.raises(LstsrError, match="of a catalog is refused: ") as fault:
        safe_path(tmp_path, name)
    assert str(fault.value).isprintable()


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    folder, outside = tmp_path / "run", tmp_path / "outside"
    for made in (folder / "sub", outside):
        made.mkdir(parents=True)
    (folder / "out").symlink_to(outside)
    (folder / "in").symlink_to(folder / "sub")
    assert safe_path(folder, "in/x.nc") == folder / "in/x.nc"
    with pytest.raises(LstsrError, match="a link leads out"):
        safe_path(folder, "out/x.nc")


@pytest.mark.parametrize(
    ("address", "name"),
    [
        ("s3://bucket/AMI/L1B/x_202305120210.nc", "x_202305120210.nc"),
        ("https://host/a/b_ST_B10.TIF", "b_ST_B10.TIF"),
        (f"{KMA}202305120210", "gk2a_ami_le2_lst_ko020lc_202305120210.nc"),
        (f"{KMA}../../evil", "data"),
        ("https://host/folder/", ""),
    ],
)
def test_a_name_is_the_end_of_the_path_or_kma_s_own(address: str, name: str) -> None:
    assert file_name(address) == name
