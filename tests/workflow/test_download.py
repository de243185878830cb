"""From catalogs to the table: match, download and run, against services on this machine."""

from __future__ import annotations

import csv
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
import yaml

from lstsr.acquire.download import download, read_remote
from lstsr.cli import main
from lstsr.config import GenerateConfig, load
from lstsr.files import sha256
from lstsr.geo.footprint import outline
from lstsr.manifest import ROLES, Scene
from lstsr.plan import Plan
from lstsr.sensors.landsat import product as landsat
from lstsr.simulate.places import grid_of, names, time_of
from lstsr.simulate.sample import make
from tests.catalogs.services import (
    KMA_KEY,
    NOSC_KEY,
    SIGNATURE,
    Services,
    serving_all,
    serving_bucket,
)
from tests.transfer.conftest import VARIABLES
from tests.transfer.server import Handler, serving, whole_file
from tests.workflow.conftest import Project, build

pytestmark = pytest.mark.slow
SAMPLE = GenerateConfig(places=4, dates=1, size_km=32, clouds=0.05, seed=2023)
SECRETS = (KMA_KEY, NOSC_KEY, SIGNATURE)
SEARCH = ("--area", "124,32,132,40", "--from", "2023-03-01", "--to", "2023-11-30")


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with serving_bucket() as bucket, serving_all(bucket) as found:
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        yield found


def offer(services: Services, scene: Scene, config: GenerateConfig) -> None:
    """A simulated scene's products, each at its service."""
    metadata = json.loads(next(scene.target.glob("*_MTL.json")).read_text())
    cloud = metadata["LANDSAT_METADATA_FILE"]["IMAGE_ATTRIBUTES"]["CLOUD_COVER"]
    rim = outline(grid_of(scene.scene, config))
    services.landsat(scene.target, time_of(scene.scene), rim, float(cloud))
    if config.level == 2:
        services.kma(scene.input)
    else:
        for file in scene.input.parent.glob("gk2a_ami_le1b_*.nc"):
            services.gk2a(file)
    services.goci2(scene.reference, "L2" if config.level == 2 else "L1B")


def live_config(root: Path, folder: Path, **sensors: dict[str, object]) -> Path:
    """The default run, smaller and untrained, with its files to be downloaded."""
    config = yaml.safe_load((root / "config.yaml").read_text())
    config |= {
        "results": "results/live",
        "data": "live",
        "acquire": {"provider": "download"},
        "split": {"test": 0.25, "validation": 0.25},
        "blocks": [{"track": "observed", "scale": 8}],
        "models": [],
    }
    config["sensors"] |= sensors
    # so small a scene has too little texture to be registered; elevation is not offered
    config["align"]["registration"] |= {"reference": False, "input": False}
    del config["align"]["covariates"]
    path = folder / "live.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def matched(config: Path, *more: str) -> Path:
    """The manifest that a search wrote."""
    manifest = config.parent / "live" / "scenes.csv"
    chosen = ("--config", str(config), "--output", str(manifest), "--max-cloud", "100")
    assert main(["match", *chosen, *SEARCH, *more]) == 0
    return manifest


def test_the_dag_downloads_what_was_matched_and_makes_the_same_table(
    root: Path, tmp_path: Path, services: Services, capsys: pytest.CaptureFixture[str]
) -> None:
    project = build(tmp_path / "project", root)
    sample = project.folder / "sample"
    scenes = [make(name, sample, SAMPLE) for name in names(SAMPLE)]
    for scene in scenes:
        offer(services, scene, SAMPLE)
    config = live_config(root, project.folder)
    manifest = matched(config)
    said = capsys.readouterr().out
    assert "apihub.kma.go.kr: about 0.00 GB" in said
    assert "4 scenes" in said
    again = matched(config, "--force")
    assert again.read_bytes() == manifest.read_bytes()

    asked = len(services.server.asked)
    planned = snakemake(project, "live", "--dry-run")
    assert len(services.server.asked) == asked
    assert "download" in planned
    snakemake(project, "live")

    local = yaml.safe_load(config.read_text()) | {"results": "results/local", "data": "local"}
    local["acquire"] = {"provider": "local"}
    (project.folder / "local.yaml").write_text(yaml.safe_dump(local))
    rewrite(manifest, project.folder / "local" / "scenes.csv", sample)
    snakemake(project, "local")
    tables = [
        pd.read_csv(project.folder / f"results/{name}/table.csv") for name in ("live", "local")
    ]
    pd.testing.assert_frame_equal(*tables, check_exact=True)
    assert len(tables[0]) == 5

    done = snakemake(project, "live", "--dry-run")
    assert "Nothing to be done" in done
    for file in (path for path in project.folder.rglob("*") if path.is_file()):
        content = file.read_bytes()
        assert not any(secret.encode() in content for secret in SECRETS), file


@pytest.mark.parametrize("profile", ["default", "slurm"])
def test_profiles_limit_jobs_of_downloads(root: Path, profile: str) -> None:
    settings = yaml.safe_load((root / f"profiles/{profile}/config.yaml").read_text())
    assert any(limit.startswith("download=") for limit in settings["resources"])


def test_one_job_of_downloads_runs_at_a_time(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = build(tmp_path / "project", root)
    shutil.copytree(root / "profiles", project.folder / "profiles")
    config = live_config(root, project.folder)
    settings = yaml.safe_load(config.read_text()) | {"shard_size": 1}
    config.write_text(yaml.safe_dump(settings))
    monkeypatch.setenv("LSTSR_ALLOW_HOSTS", "127.0.0.1")
    at_work: list[str] = []
    overlaps: list[set[str]] = []

    def slow(handler: Handler) -> None:
        scene = handler.path.split("/")[1]
        at_work.append(scene)
        overlaps.append(set(at_work))
        time.sleep(0.3)
        at_work.remove(scene)
        whole_file(handler)

    with serving() as server:
        rows = []
        for scene in ("a", "b", "c", "d"):
            paths = [f"/{scene}/{role}.bin" for role in ROLES]
            server.files |= dict.fromkeys(paths, b"data")
            server.always |= dict.fromkeys(paths, slow)
            rows.append(",".join([scene, *map(server.url, paths)]))
        manifest = project.folder / "live" / "scenes.csv"
        manifest.parent.mkdir()
        manifest.write_text("\n".join([",".join(["scene", *ROLES]), *rows]) + "\n")
        monkeypatch.chdir(project.folder)
        shards = Plan(load(config)).shards
        assert len(shards) > 1
        done = project.run(
            *("snakemake", "--cores", "4", "--configfile", "live.yaml", "--"),
            *(f"results/live/work/downloads/{shard}.csv" for shard in shards),
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert len(overlaps) == 12
    assert max(map(len, overlaps)) == 1


def snakemake(project: Project, name: str, *flags: str) -> str:
    """Run a config's DAG up to its table; what was said."""
    command = ("--cores", "1", "--configfile", f"{name}.yaml", *flags)
    done = project.run("snakemake", *command, "--", f"results/{name}/table.csv")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def rewrite(manifest: Path, local: Path, sample: Path) -> None:
    """The same manifest with the sample's own files in place of their addresses."""
    files = {path.name: path for path in sample.rglob("*") if path.is_file()}
    lines = list(csv.DictReader(manifest.open()))
    for line in lines:
        for role in ROLES:
            (first, *_) = line[role].split()
            name = f"gk2a_ami_le2_lst_ko020lc_{first[-12:]}.nc" if "date=" in first else ""
            path = files[name or first.rpartition("/")[2]]
            line[role] = os.path.relpath(path, local.parent)
    local.parent.mkdir()
    with local.open("w", newline="") as file:
        table = csv.DictWriter(file, list(lines[0]))
        table.writeheader()
        table.writerows(lines)


def level_1(folder: Path, services: Services) -> None:
    config = SAMPLE.model_copy(update={"level": 1, "places": 3})
    for name in names(config):
        offer(services, make(name, folder, config), config)


@pytest.mark.parametrize(
    ("reference", "sources"),
    [
        ({"product": "goci2-l1b"}, {"bucket", "nosc"}),
        ({"product": "landsat", "bands": ["red", "nir08"]}, {"bucket"}),
    ],
)
def test_without_an_account_the_files_come_from_public_places(
    root: Path,
    tmp_path: Path,
    services: Services,
    monkeypatch: pytest.MonkeyPatch,
    reference: dict[str, object],
    sources: set[str],
) -> None:
    """Byte for byte those of the sample; GOCI-II may be out of reach."""
    for key in ("KMA_API_KEY", "NOSC_API_KEY"):
        monkeypatch.delenv(key)
    level_1(tmp_path / "sample", services)
    config = live_config(root, tmp_path, input={"product": "gk2a-l1b"}, reference=reference)
    settings = yaml.safe_load(config.read_text())
    settings["align"]["registration"]["reference_band"] = None
    config.write_text(yaml.safe_dump(settings))
    services.server.asked.clear()
    remotes = read_remote(matched(config), tmp_path / "downloads")
    assert len(remotes) == 3
    download(remotes, tmp_path / "downloads", tmp_path / "downloads" / "index.csv")
    hosts = {path.split("/")[1] for path, _ in services.server.asked}
    assert ("nosc" in hosts) == ("nosc" in sources)
    assert "kma" not in hosts
    mine = {path.name: sha256(path) for path in (tmp_path / "sample").rglob("*") if path.is_file()}
    for remote in remotes:
        for one in remote.downloads:
            assert sha256(one.path) == mine[one.path.name]
        names_of_input = {
            file.name.split("_")[3] for file in remote.scene.files if "le1b" in file.name
        }
        assert names_of_input == {"ir112", "ir123"}
        assert landsat.grid(remote.scene.target, load(config).sensors.target).gsd_m == 30
