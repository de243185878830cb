"""What a config's sensors are looked for in, and which of their files each role takes."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from shapely.geometry import box

from lstsr.cli import main
from lstsr.config import Config, validate
from lstsr.errors import LstsrError
from lstsr.files import read_csv
from lstsr.match.search import Query, find
from lstsr.transfer.sources import Sources
from tests.catalogs.services import KEYS, KMA_KEY, Services

SQUARE = ((126, 36), (128, 36), (128, 38), (126, 38))
PASSAGE = datetime(2023, 5, 12, 2, 8, 12, tzinfo=UTC)
PRODUCT = "LC08_L2SP_115034_20230512_20230601_02_T1"
QUERY = Query(box(124, 33, 131, 39), date(2023, 5, 1), date(2023, 5, 31))


@pytest.fixture
def korea(root: Path) -> dict[str, Any]:
    return yaml.safe_load((root / "configs/korea.yaml").read_text())


@pytest.fixture
def passage(services: Services, tmp_path: Path) -> Services:
    """One passage of Landsat."""
    product = tmp_path / PRODUCT
    product.mkdir()
    for end in KEYS:
        (product / f"{PRODUCT}{end}").write_bytes(b"II*\0")
    services.landsat(product, PASSAGE, SQUARE, 10)
    return services


@pytest.fixture
def offered(passage: Services, tmp_path: Path) -> Services:
    """The same, and all that the other two saw then."""
    services = passage
    services.stamps += ["202305120208", "202305120216", "202305120230"]
    files = [f"gk2a_ami_le1b_{one}_la020ge_202305120208.nc" for one in ("ir112", "ir123")]
    files += ["gk2a_ami_le1b_vi006_la005ge_202305120208.nc"]
    for name in files:
        (tmp_path / name).write_bytes(b"\x89HDF\r\n\x1a\n")
        services.gk2a(tmp_path / name)
    goci2 = tmp_path / "GK2B_GOCI2_L2_20230512_021530_LA_S007_AC.nc"
    goci2.write_bytes(b"\x89HDF\r\n\x1a\n")
    services.goci2(goci2)
    return services


def names(config: Config, role: str) -> list[str]:
    (one,), _ = find(config, QUERY, Sources())
    return [file.name.removeprefix(PRODUCT) for file in getattr(one, role).files]


def test_korea_takes_lst_of_kma_goci2_and_landsat(offered: Services, korea: dict) -> None:
    config = validate(korea)
    assert names(config, "input") == ["gk2a_ami_le2_lst_ko020lc_202305120208.nc"]
    assert names(config, "reference") == ["GK2B_GOCI2_L2_20230512_021530_LA_S007_AC.nc"]
    ends = ["_MTL.json", "_QA_PIXEL.TIF", "_QA_RADSAT.TIF"]
    # SR_B5 is what GOCI-II is registered to
    assert names(config, "target") == [*ends, "_ST_B10.TIF", "_ST_QA.TIF", "_SR_B5.TIF"]
    _, rejected = find(config, QUERY, Sources())
    assert [one.name[-12:] for one in rejected] == ["202305120216"]


@pytest.mark.parametrize(
    ("reference", "files"),
    [
        (
            {"product": "landsat", "bands": ["red", "nir08"]},
            ["_MTL.json", "_QA_PIXEL.TIF", "_QA_RADSAT.TIF", "_SR_B4.TIF", "_SR_B5.TIF"],
        ),
        (
            {"product": "gk2a-l1b", "bands": ["vi006"]},
            ["gk2a_ami_le1b_vi006_la005ge_202305120208.nc"],
        ),
    ],
)
def test_without_accounts_other_optics_guide(
    offered: Services,
    root: Path,
    monkeypatch: pytest.MonkeyPatch,
    reference: dict,
    files: list[str],
) -> None:
    monkeypatch.delenv("KMA_API_KEY")
    settings = yaml.safe_load((root / "configs/korea-open.yaml").read_text())
    settings["sensors"]["reference"] = reference
    settings["align"]["registration"]["reference_band"] = reference["bands"][-1]
    config = validate(settings)
    assert names(config, "reference") == files
    assert [name.split("_")[3] for name in names(config, "input")] == ["ir112", "ir123"]


def test_what_no_catalog_offers_is_named(offered: Services, korea: dict) -> None:
    korea["sensors"]["input"] = {"sensor": "mine", "unit": "kelvin"}
    with pytest.raises(LstsrError, match="no catalog offers geotiff as input or reference"):
        find(validate(korea), QUERY, Sources())
    assert not offered.server.asked


def test_no_service_is_asked_for_the_days_of_clouds(offered: Services, korea: dict) -> None:
    clear = Query(QUERY.area, QUERY.start, QUERY.end, max_cloud=0.05)
    triples, rejected = find(validate(korea), clear, Sources())
    assert not triples
    assert [one.reason for one in rejected] == ["cloud 10.0% is above 5.0%"]
    assert {path.split("/")[1] for path, _ in offered.server.asked} <= {"pc"}


def test_the_command_writes_what_people_and_downloads_read(
    offered: Services, korea: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = command_of(tmp_path, korea)
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "to download: about 0.22 GB" in said
    assert "planetary-computer: about 0.22 GB" in said
    assert "1 scenes: " in said and "1 rejected candidates beside it" in said
    (row,) = read_csv(tmp_path / "data" / "scenes.csv")
    assert row["scene"] == "115034-20230512-LC08"
    assert (row["score"], row["cloud_percent"]) == ("0.900", "10")
    assert (row["input_min"], row["reference_min"]) == ("-0.2", "+19.8")
    for path in (tmp_path / "data").iterdir():
        assert KMA_KEY not in path.read_text()
        assert "sig=" not in path.read_text()

    assert main(command) == 1
    assert "already exists" in capsys.readouterr().err

    before = (tmp_path / "data" / "scenes.csv").read_bytes()
    assert main([*command, "--force", "--max-gb", "0.01"]) == 1
    table = tmp_path / "data" / "scenes.rejected.csv"
    assert capsys.readouterr().err == (
        f"lstsr: no triplet fits, {table} lists all candidates: 1 Landsat scenes "
        "rejected, most often: 0.22 GB more would exceed --max-gb 0.01\n"
    )
    assert (tmp_path / "data" / "scenes.csv").read_bytes() == before
    (beyond,) = (row for row in read_csv(table) if "--max" in row["reason"])
    assert beyond["candidate"] == PRODUCT


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--from", "2023-05-30"], "the catalog has no Landsat scene of this area and time"),
        (["--max-cloud", "5"], "1 Landsat scenes rejected, most often: cloud 10.0% is above 5.0%"),
    ],
)
def test_no_triplet_leaves_no_manifest(
    offered: Services,
    korea: dict,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    words: str,
) -> None:
    assert main([*command_of(tmp_path, korea), *more]) == 1
    said = capsys.readouterr()
    assert said.err.startswith("lstsr: no triplet fits, ") and said.err.endswith(f"{words}\n")
    assert said.err.count("\n") == 1 and not said.out
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["scenes.rejected.csv"]


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--dem", "lost.tif"], "--dem lost.tif: no such file"),
        (["--water", "lost.tif"], "--water lost.tif: no such file"),
        (["--from", "2023-06-01"], "--from 2023-06-01 is later than --to 2023-05-31"),
        (["--max-cloud", "101"], "--max-cloud 101: give a percentage from 0 to 100"),
        (["--max-cloud", "nan"], "--max-cloud nan: give a percentage from 0 to 100"),
        (["--area", "1,2,3"], "--area 1,2,3: "),
    ],
)
def test_an_option_at_fault_stops_before_any_service_is_asked(
    offered: Services,
    korea: dict,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    more: list[str],
    words: str,
) -> None:
    assert main([*command_of(tmp_path, korea), *more]) == 1
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1
    assert not offered.server.asked
    assert not (tmp_path / "data").exists()


def test_a_day_that_is_none_is_told(
    korea: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*command_of(tmp_path, korea), "--from", "2023-13-01"])
    assert "--from: 2023-13-01 is not a valid date. Expected YYYY-MM-DD" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "first"), [("korea-first", "AMI/L1B/LA"), ("korea", "05/12/L2")])
def test_days_without_data_of_the_others_are_one_line(
    passage: Services,
    root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    name: str,
    first: str,
) -> None:
    settings = yaml.safe_load((root / f"configs/{name}.yaml").read_text())
    assert main(command_of(tmp_path, settings)) == 1
    said = capsys.readouterr().err
    assert first in said and said.count("\n") == 1
    assert "of this search. There are no data of these days" in said
    assert not (tmp_path / "data").exists()


def test_a_config_that_reads_no_addresses_stops_the_search(
    offered: Services, korea: dict, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = command_of(tmp_path, korea | {"acquire": {"provider": "local"}})
    assert main(command) == 1
    assert "korea.yaml: acquire.provider is local" in capsys.readouterr().err
    assert not offered.server.asked


def command_of(folder: Path, settings: dict[str, Any]) -> list[str]:
    """A search for a config whose data lie in a folder."""
    config = folder / "korea.yaml"
    config.write_text(yaml.safe_dump(settings | {"data": str(folder / "data")}))
    days = ["--from", "2023-05-01", "--to", "2023-05-31"]
    return ["match", "--config", str(config), "--area", "124,33,131,39", *days]
