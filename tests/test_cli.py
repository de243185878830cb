"""The data stages as the workflow calls them, from files on disk to the dataset file."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from lstsr.acquire.index import Acquired, digest, lost, write_index
from lstsr.cli import main
from lstsr.cli.options import COMMANDS
from lstsr.config import Config
from lstsr.config.reading import resolved
from lstsr.dataset.loader import Dataset
from lstsr.files import read_csv
from lstsr.manifest import Scene
from lstsr.split import Place
from tests.triplets import Sample, config_of, names, write_manifest

KEYS = ("observed-x4", "degraded-block-x8")


SAMPLE = Sample(scenes=6, coarse_size=16)


def small(folder: Path, **more: Any) -> Config:
    """A run on the six small scenes in ``folder``, without registration."""
    return config_of(
        **{
            "data": str(folder),
            "align": {
                "registration": {"reference": False, "input": False},
                "max_excluded_share": 0.2,
            },
            "blocks": [{"track": "observed", "scale": 4}, {"track": "degraded-block", "scale": 8}],
        }
        | more
    )


class Run:
    """One run's folder, and its stages."""

    def __init__(self, folder: Path, config: Config) -> None:
        self.folder = folder
        self.config = ["--config", str(folder / "run.yaml")]
        folder.mkdir(exist_ok=True)
        (folder / "run.yaml").write_text(resolved(config))
        self._shards = ("0-of-2", "1-of-2")

    def indexes(self, stage: str) -> list[str]:
        return [str(self.folder / stage / f"{shard}.csv") for shard in self._shards]

    def acquire(self) -> int:
        return max(
            main(
                ["acquire", *self.config, "--shard", shard]
                + ["--folder", str(self.folder / "generated"), "--output", index]
            )
            for shard, index in zip(self._shards, self.indexes("acquire"), strict=True)
        )

    def split(self) -> int:
        output = str(self.folder / "splits.csv")
        return main(["split", *self.config, "--output", output, *self.indexes("acquire")])

    def align(self) -> int:
        folder = str(self.folder / "aligned")
        return max(
            main(["align", *self.config, "--folder", folder] + ["--output", output, index])
            for index, output in zip(self.indexes("acquire"), self.indexes("align"), strict=True)
        )

    def dataset(self) -> int:
        made = {
            "output": "dataset.safetensors",
            "statistics": "statistics.json",
            "shifts": "shifts.csv",
            "excluded": "excluded.csv",
            "splits": "splits.csv",
            "folder": "aligned",
        }
        paths = [text for name, file in made.items() for text in (f"--{name}", self.path(file))]
        return main(
            ["dataset", *self.config, *paths]
            + ["--acquired", *self.indexes("acquire"), "--aligned", *self.indexes("align")]
        )

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def all(self) -> int:
        return max(stage() for stage in (self.acquire, self.split, self.align, self.dataset))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files of a user, with a manifest."""
    folder = tmp_path_factory.mktemp("data")
    write_manifest(folder, SAMPLE)
    return folder


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    done = Run(tmp_path_factory.mktemp("run"), small(data))
    assert done.all() == 0
    return done


def copied(data: Path, folder: Path) -> Run:
    """A run on a copy of the files, which a test may damage."""
    shutil.copytree(data, folder / "data")
    return Run(folder / "run", small(folder / "data"))


def test_six_scenes_become_a_dataset(run: Run) -> None:
    dataset = Dataset(Path(run.path("dataset.safetensors")))
    splits = {row["scene"]: row["split"] for row in read_csv(Path(run.path("splits.csv")))}
    assert sorted(splits) == names(SAMPLE)
    assert set(splits.values()) == {"train", "validation", "test"}
    for name, split in splits.items():
        assert name in dataset.scenes(split)
        for key, cells in zip(KEYS, (16, 8), strict=True):
            scene = dataset.scene(name, key)
            assert scene.input.shape == (cells, cells)
            assert scene.target.shape == (64, 64)
            assert scene.scored.mean() > 0.05
            # the coarse input and the fine target tell of one place
            mean = scene.target[scene.scored].mean()
            assert abs(scene.input[scene.input_valid].mean() - mean) < 4
    assert read_csv(Path(run.path("excluded.csv"))) == []
    shifts = read_csv(Path(run.path("shifts.csv")))
    assert [row["scene"] for row in shifts] == sorted(splits)
    statistics = json.loads(Path(run.path("statistics.json")).read_text())
    assert statistics["reference_mean"] == list(dataset.meta.reference_mean)
    assert sum(statistics["n_scenes"].values()) == 6


def test_one_bad_file_costs_one_scene_by_name_reason_and_digest(data: Path, tmp_path: Path) -> None:
    mine = copied(data, tmp_path)
    broken = tmp_path / "data" / "sample-002" / "lst_fine.tif"
    broken.write_bytes(broken.read_bytes()[:4000])
    assert mine.all() == 0
    (lost,) = read_csv(Path(mine.path("excluded.csv")))
    assert (lost["scene"], lost["stage"]) == ("sample-002", "align")
    assert lost["reason"].startswith("lst_fine.tif: cannot be read")
    assert lost["target_sha256"] == digest(broken)
    dataset = Dataset(Path(mine.path("dataset.safetensors")))
    assert sorted(scene.scene for scene in dataset.meta.scenes) == [
        name for name in names(SAMPLE) if name != "sample-002"
    ]


def test_too_many_bad_files_stop_the_run_in_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = copied(data, tmp_path)
    (tmp_path / "data" / "sample-002" / "lst_fine.tif").write_bytes(b"")
    (tmp_path / "data" / "sample-003" / "ndvi_fine.tif").write_bytes(b"")
    assert (mine.acquire(), mine.split(), mine.align()) == (0, 0, 0)
    capsys.readouterr()
    assert mine.dataset() == 1
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("lstsr: ")]
    assert len(said) == 1
    assert "2 of 6 scenes were excluded, align.max_excluded_share allows 20%" in said[0]
    assert "lst_fine.tif: cannot be read" in said[0]
    assert not Path(mine.path("dataset.safetensors")).exists()
    # the account is there to see which and why
    assert {row["scene"] for row in read_csv(Path(mine.path("excluded.csv")))} == {
        "sample-002",
        "sample-003",
    }


@pytest.mark.parametrize("usable", [0, 1])
def test_a_split_that_fails_names_the_first_scenes_that_were_excluded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], usable: int
) -> None:
    square = ((0.0, 1.0), (1.0, 1.0), (1.0, 0.0), (0.0, 0.0))
    scenes = [Scene(f"s{k}", None, None, tmp_path) for k in range(6)]
    found = [Acquired(one, {}, Place(one.scene, 0.5, 0.5, square)) for one in scenes[:usable]]
    found += [lost(one, f"t.tif: fault {one.scene}.") for one in scenes[usable:]]
    write_index(tmp_path / "0.csv", found)
    (tmp_path / "run.yaml").write_text(resolved(config_of(split={"test": 0.2, "validation": 0.2})))
    output = tmp_path / "splits.csv"
    arguments = ["--config", str(tmp_path / "run.yaml"), "--output", str(output)]
    arguments.append(str(tmp_path / "0.csv"))
    assert main(["split", *arguments]) == 1
    (said,) = [one for one in capsys.readouterr().err.splitlines() if one.startswith("lstsr: ")]
    assert ("do not overlap" if usable else "no scene is usable") in said
    first = range(usable, usable + 3)
    assert f"{6 - usable} scenes were excluded before the split, e.g. " in said
    assert said.endswith("; ".join(f"s{k}: t.tif: fault s{k}." for k in first))
    assert not output.exists()


def test_a_file_that_vanishes_fails_the_job_and_is_no_exclusion(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = copied(data, tmp_path)
    assert mine.acquire() == 0
    (tmp_path / "data" / "sample-002" / "lst_fine.tif").unlink()
    assert mine.align() == 1
    assert "lst_fine.tif" in capsys.readouterr().err


def test_a_faulty_manifest_is_one_line(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = copied(data, tmp_path)
    manifest = tmp_path / "data" / "scenes.csv"
    manifest.write_text(manifest.read_text().replace("sample-001,", "sample-000,", 1))
    assert mine.acquire() == 1
    assert "scenes.csv: two rows name the scene sample-000" in capsys.readouterr().err


def test_the_schema_is_written_and_checked(tmp_path: Path) -> None:
    file = tmp_path / "schema.json"
    assert main(["schema", "--file", str(file)]) == 0
    assert json.loads(file.read_text())["title"] == "Config"
    assert main(["schema", "--check", "--file", str(file)]) == 0
    file.write_text(file.read_text().replace("steps", "stepz"))
    assert main(["schema", "--check", "--file", str(file)]) == 1


NETWORK = {
    "model": "dctnet",
    "options": {"features": 4, "layers": 1},
    "train": {"steps": 2, "batch": 1, "patch": 32, "validate_every": 1, "save_every": 1},
}
ROW = "dctnet-base-x4-observed-s0"


@pytest.fixture(scope="module")
def with_network(run: Run, data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The run's dataset, with a config that also has a network."""
    path = tmp_path_factory.mktemp("network") / "run.yaml"
    path.write_text(resolved(small(data, models=[NETWORK])))
    return ["--config", str(path), "--data", run.path("dataset.safetensors")]


@pytest.mark.parametrize("exported", [False, True])
def test_a_row_is_trained_predicted_and_scored_by_its_name(
    run: Run, with_network: list[str], tmp_path: Path, exported: bool
) -> None:
    """From the config of the run, or from an exported dataset."""
    row = [*with_network, "--row", ROW]
    if exported:
        path = str(tmp_path / "exported.safetensors")
        assert main(["export", *with_network, "--output", path]) == 0
        row = ["--data", path, "--row", ROW]
    checkpoint, index = str(tmp_path / "row.safetensors"), tmp_path / "index.csv"
    assert main(["train", *row, "--output", checkpoint, "--threads", "1"]) == 0
    how = ["--split", "test", "--checkpoint", checkpoint, "--threads", "1"]
    assert main(["predict-split", *row, *how, "--output", str(index)]) == 0
    assert len(read_csv(index)) >= 1
    paths = ["--folder", run.path("aligned"), "--predictions", str(index)]
    assert main(["evaluate", *row, *paths, "--output", str(tmp_path / "scores.csv")]) == 0
    (first, *_) = read_csv(tmp_path / "scores.csv")
    assert (first["model"], first["variant"], first["steps"]) == ("dctnet", "base", "2")


@pytest.mark.parametrize("command", ["train", "predict-split", "evaluate"])
def test_an_unknown_row_is_told_with_the_known_ones(
    with_network: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    more = {
        "train": [],
        "predict-split": ["--split", "test"],
        "evaluate": ["--folder", str(tmp_path), "--predictions", str(tmp_path)],
    }[command]
    output = ["--output", str(tmp_path / "out")]
    assert main([command, *with_network, "--row", "nothing", *more, *output]) == 1
    assert "run.yaml has no row nothing. Its rows are bilinear-base" in capsys.readouterr().err
    assert main([command, *with_network[2:], "--row", ROW, *more, *output]) == 1
    assert f"holds no row {ROW}" in capsys.readouterr().err


def test_a_row_without_weights_is_not_trained(
    with_network: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    row = ["--row", "bilinear-base-x4-observed-s0", "--output", str(tmp_path / "out")]
    assert main(["train", *with_network, *row]) == 1
    assert "has no weights" in capsys.readouterr().err


def test_every_option_has_a_help_text() -> None:
    assert len(COMMANDS) > 20
    for run, options in COMMANDS.items():
        assert run.__doc__, run.__name__
        assert all(option.more["help"] for option in options), run.__name__
