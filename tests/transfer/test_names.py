"""What files are called on disk."""

import pytest

from lstsr.transfer.names import file_name

KMA = "https://apihub.kma.go.kr/api/typ05/api/GK2A/LE2/LST/KO/data?date="


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
