"""The plan of a run, made from its config and manifest alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from lstsr.config import Config, load, validate
from lstsr.errors import LstsrError
from lstsr.files import write_csv
from lstsr.fingerprint import closure
from lstsr.manifest import shard_of
from lstsr.plan import Plan
from lstsr.registry import MODELS, STEPS
from lstsr.split import SPLITS, Place, assign
from tests.triplets import Sample, config_of, optical_config_of, write_images


def with_manifest(folder: Path, scenes: int) -> Config:
    """A run on so many scenes of empty files, every third one in each split."""
    lines = ["scene,input,reference,target,lon,lat"]
    for index in range(scenes):
        for role in "irt":
            (folder / f"{index}-{role}.tif").touch()
        lon, lat = ((129.5, 37), (128, 37), (128, 36))[index % 3]
        lines.append(f"s{index},{index}-i.tif,{index}-r.tif,{index}-t.tif,{lon},{lat}")
    (folder / "scenes.csv").write_text("\n".join(lines) + "\n")
    split = {"test": {"lat_max": 36.4}, "validation": {"lon_min": 128.9}}
    return config_of(data=str(folder), shard_size=8, split=split)


def test_default_run_is_planned_without_any_file(root: Path) -> None:
    config = load(root / "config.yaml")
    plan = Plan(config)
    assert list(plan.rows) == [row.name for row in config.rows()]
    generate = config.acquire.generate
    assert sum(map(len, plan.shards.values())) == generate.places * generate.dates
    assert [plan.files(shard) for shard in plan.shards] == [[] for _ in plan.shards]
    for row in plan.rows:
        expected = [f"results/models/{row}.safetensors"] if plan.rows[row].train else []
        assert plan.checkpoints(row) == expected
    assert {"split", "shifts", "curves", "scenes-observed-x4"} <= set(plan.figures)
    modules = ["lstsr.sensors.ami.lst", "lstsr.sensors.goci2.ac", "lstsr.sensors.landsat.product"]
    assert [name for name in plan.modules("align") if ".sensors." in name] == modules
    assert {"lstsr.simulate.sample", *modules} <= set(plan.modules("acquire"))


def test_the_initial_weights_of_a_row_are_a_file_of_the_plan(tmp_path: Path) -> None:
    config = with_manifest(tmp_path, 3)
    models = [{"model": "srcnn"}, {"model": "dctnet", "train": {"initial": "a.safetensors"}}]
    plan = Plan(Config.model_validate(config.model_dump() | {"models": models}))
    found = {row.model: plan.initial(name) for name, row in plan.rows.items()}
    assert found["bilinear"] == found["srcnn"] == []
    assert found["dctnet"] == ["a.safetensors"]


@pytest.mark.parametrize(
    ("figure", "value", "changed", "more"),
    [
        ("patch_size", 32, {"patch": 32, "batch": 72}, {"batch": 4}),
        ("budgets", 900, {"steps": 900, "validate_every": 9, "save_every": 9}, {"save_every": 5}),
    ],
)
def test_rows_that_differ_only_in_one_setting_are_a_series_of_a_figure(
    figure: str, value: int, changed: dict[str, int], more: dict[str, int], tmp_path: Path
) -> None:
    """``more`` goes with the setting, but does not make a series without it."""
    config = with_manifest(tmp_path, 3)
    train = {"patch": 96, "batch": 8, "steps": 96}

    def plan(*models: dict[str, Any]) -> Plan:
        changed = {"train": train, "seeds": [0, 1], "models": models}
        return Plan(Config.model_validate(config.model_dump() | changed))

    srcnn = {"model": "srcnn"}
    found = plan(srcnn, srcnn | {"variant": "other", "train": changed})
    series = {f"srcnn-base-x4-observed-s{seed}": 96 for seed in (0, 1)}
    series |= {f"srcnn-other-x4-observed-s{seed}": value for seed in (0, 1)}
    assert list(found.series) == [figure]
    assert series in found.series[figure]
    assert len(found.series[figure]) == len(config.blocks)
    assert figure in found.figures
    for other in (
        srcnn | {"variant": "more", "train": more},
        srcnn | {"variant": "other", "train": changed | {"learning_rate": 0.5}},
        {"model": "esrnet", "train": changed},
    ):
        assert plan(srcnn, other).series == {}
        assert figure not in plan(srcnn, other).figures


def test_folds_add_rows_tables_and_keep_one_series(tmp_path: Path) -> None:
    config = with_manifest(tmp_path, 6)
    srcnn = {"model": "srcnn", "train": {"patch": 96}}
    small = srcnn | {"variant": "small", "train": {"patch": 32}, "self_ensemble": True}
    changed = {"split": {"folds": 3}, "models": [srcnn, small], "seeds": [0]}
    plan = Plan(Config.model_validate(config.model_dump() | changed))
    assert plan.tables[-2:] == ["folds.csv", "timings.csv"]
    trained = "srcnn-small-x4-observed-s0-f2"
    assert trained in plan.trained
    ensemble = plan.checkpoints("srcnn-small-self-ensemble-x4-observed-s0-f2")
    assert ensemble == [f"results/models/{trained}.safetensors"]
    series = {"srcnn-base-x4-observed-s0": 96, "srcnn-small-x4-observed-s0": 32}
    assert series in plan.series["patch_size"]
    with pytest.raises(LstsrError, match=r"split\.folds = 7: there are 6 scenes"):
        Plan(Config.model_validate(config.model_dump() | {"split": {"folds": 7}}))


def test_default_split_keeps_every_scene_and_fills_all_three(root: Path) -> None:
    """Places lie apart, so that none is lost to a conflict; a place's dates stay together."""
    from lstsr.geo.footprint import outline
    from lstsr.simulate.places import grid_of, names, place

    config = load(root / "config.yaml")
    generate = config.acquire.generate
    scenes = [scene for shard in Plan(config).shards.values() for scene in shard]
    assert {scene.scene for scene in scenes} == set(names(generate))
    places = [
        Place(scene.scene, scene.lon, scene.lat, outline(grid_of(scene.scene, generate)))
        for scene in scenes
    ]
    chosen = assign(places, config.split)
    assert set(chosen.values()) == set(SPLITS)
    assert len({(place(name), split) for name, split in chosen.items()}) == generate.places


def test_each_scene_and_its_files_stand_in_one_shard(tmp_path: Path) -> None:
    plan = Plan(with_manifest(tmp_path, 20))
    names = [scene.scene for scenes in plan.shards.values() for scene in scenes]
    assert sorted(names) == sorted(f"s{index}" for index in range(20))
    for shard, scenes in plan.shards.items():
        number, count = map(int, shard.split("-of-"))
        assert count == 4
        assert {shard_of(scene.scene, count) for scene in scenes} == {number}
        assert plan.files(shard) == [str(file) for scene in scenes for file in scene.files]
    assert plan.shard_files("align") == [f"results/work/align/{shard}.csv" for shard in plan.shards]


def test_history_reads_the_scenes_of_every_shard(root: Path) -> None:
    plan = Plan(load(root / "configs/sample-history.yaml"))
    assert plan.history == plan.shard_files("acquire") and len(plan.history) > 1
    assert Plan(load(root / "config.yaml")).history == []


def test_a_changed_manifest_row_shows_in_its_shard_alone(tmp_path: Path) -> None:
    config = with_manifest(tmp_path, 20)
    plan = Plan(config)
    before = {shard: plan.scenes_digest(shard) for shard in plan.shards}
    path = tmp_path / "scenes.csv"
    path.write_text(path.read_text().replace("s7,7-i.tif", "s7,8-i.tif"))
    plan = Plan(config)
    changed = [shard for shard in plan.shards if plan.scenes_digest(shard) != before[shard]]
    assert changed == [f"{shard_of('s7', 4)}-of-4"]


def test_a_self_ensemble_is_a_second_row_of_one_training(root: Path) -> None:
    data = load(root / "config.yaml").model_dump(mode="json")
    data["models"] = [
        {"model": "dctnet", "self_ensemble": True, "blocks": ["observed-x4"]},
        {"model": "dctnet", "variant": "v", "self_ensemble": True, "blocks": ["observed-x4"]},
    ]
    plan = Plan(validate(data))
    names = [name for name in plan.rows if name.startswith("dctnet")]
    base, ensemble, other, its_ensemble = names
    assert ensemble == "dctnet-self-ensemble-x4-observed-s0"
    assert its_ensemble == "dctnet-v-self-ensemble-x4-observed-s0"
    assert plan.trained == [base, other]
    for row, trained in ((base, base), (ensemble, base), (its_ensemble, other)):
        assert plan.checkpoints(row) == [f"results/models/{trained}.safetensors"]
    one, two = (plan.rows[name].to_dict() for name in (base, ensemble))
    changed = {"variant": "self-ensemble", "train": None, "turned": True, "predicted_by": [base]}
    assert two == one | changed, "all else is shared"


def test_a_seed_ensemble_is_one_row_of_all_seeds(root: Path) -> None:
    """Each fold has its own; with self_ensemble it is also turned."""
    data = load(root / "configs/modis-aster-folds.yaml").model_dump(mode="json")
    block = data["blocks"][0]
    data |= {"seeds": [3, 1], "blocks": [block], "split": {"folds": 3}}
    network = {"model": "dctnet", "seed_ensemble": True}
    data["models"] = [network, network | {"variant": "v", "self_ensemble": True}]
    rows = {row.name: row for row in validate(data).rows() if row.model == "dctnet"}
    where = f"x{block['scale']}-{block['track']}"
    for fold in range(3):
        base = [f"dctnet-base-{where}-s{seed}-f{fold}" for seed in (3, 1)]
        assert rows[f"dctnet-seed-ensemble-{where}-s3-f{fold}"].members == base
        of_v = [f"dctnet-v-{where}-s{seed}-f{fold}" for seed in (3, 1)]
        for variant, turned in (
            ("v-seed-ensemble", False),
            ("v-seed-ensemble-self-ensemble", True),
        ):
            row = rows[f"dctnet-{variant}-{where}-s3-f{fold}"]
            assert (row.members, row.turned, row.train) == (of_v, turned, None)
    # in each of 3 folds: 2 seeds and 1 ensemble; the same of v, all of them also turned
    assert len(rows) == 3 * (3 + 6)


def test_faults_of_manifest_and_split_are_found_while_planning(tmp_path: Path) -> None:
    config = with_manifest(tmp_path, 2)
    with pytest.raises(LstsrError, match="no scene lies in test"):
        Plan(config)
    (tmp_path / "0-t.tif").unlink()
    with pytest.raises(LstsrError, match="target of scene s0 is missing"):
        Plan(config)
    (tmp_path / "scenes.csv").unlink()
    with pytest.raises(LstsrError, match="no such manifest"):
        Plan(config)


def test_the_optical_run_reads_one_image_a_scene_and_has_no_tables_of_lst(root: Path) -> None:
    plan = Plan(load(root / "configs/optical.yaml"))
    assert "lstsr.sensors.goci2.ac" in plan.modules("align")
    assert "lstsr.sensors.ami.lst" not in plan.modules("align")
    (first, *_) = next(iter(plan.shards.values()))
    assert (first.input, first.reference) == (None, None)
    assert first.target.name.startswith("GK2B_GOCI2_L2")
    assert plan.tables == ["table.csv", "table.md", "scenes.csv", "timings.csv"]
    assert {"before-after-degraded-block-x2", "split"} <= set(plan.figures)
    assert "shifts" not in plan.figures


def test_a_manifest_of_images_alone_names_only_them(tmp_path: Path) -> None:
    write_images(tmp_path, Sample(scenes=3, coarse_size=8))
    plan = Plan(optical_config_of(data=str(tmp_path)))
    (shard,) = plan.shards
    assert sorted(plan.files(shard)) == sorted(map(str, tmp_path.glob("*.tif")))


def test_a_run_on_downloads_is_planned_from_its_manifest_alone(tmp_path: Path) -> None:
    """No network, no file: paths, shards and what is to be fetched follow from addresses."""
    lines = ["scene,input,reference,target"]
    lines += [f"s{n},https://h/{n}/i.nc,https://h/{n}/r.nc,https://h/{n}/t.tif" for n in range(20)]
    path = tmp_path / "scenes.csv"
    path.write_text("\n".join(lines) + "\n")
    download = {"provider": "download"}
    config = config_of(data=str(tmp_path), results="res", shard_size=8, acquire=download)
    plan = Plan(config)
    assert "lstsr.acquire.download" in plan.modules("acquire")
    assert plan.folder == "res/work/downloads"
    for shard, scenes in plan.shards.items():
        assert plan.files(shard) == [f"res/work/downloads/{shard}.csv"]
        for scene in scenes:
            assert scene.input == Path(f"res/work/downloads/{scene.scene}/i.nc")
    text = path.read_text()
    path.unlink()  # it is read once, whatever is asked afterwards
    before = {shard: plan.downloads_digest(shard) for shard in plan.shards}
    path.write_text(text.replace("https://h/7/i.nc", "https://h/seven/i.nc"))
    plan = Plan(config)
    changed = [shard for shard in plan.shards if plan.downloads_digest(shard) != before[shard]]
    assert changed == [f"{shard_of('s7', 4)}-of-4"]


def test_results_may_not_lie_among_the_user_s_files(tmp_path: Path) -> None:
    """The run's own table of scenes would replace the manifest."""
    config = with_manifest(tmp_path, 20)
    for results in (tmp_path, tmp_path / "." / "x" / ".."):
        with pytest.raises(LstsrError, match=r"config key results = .* scenes.csv. Name another"):
            Plan(config.model_copy(update={"results": str(results)}))
    Plan(config.model_copy(update={"results": str(tmp_path / "results")}))


def test_a_stage_depends_on_the_sections_that_it_reads_and_on_their_modules(root: Path) -> None:
    plan = Plan(load(root / "config.yaml"))
    assert set(json.loads(plan.settings("align"))) == {"sensors", "align"}
    own = [name for name in plan.modules("align") if name.startswith("lstsr.config")]
    assert own == ["lstsr.config.align", "lstsr.config.sensors"]
    reached = set().union(*map(closure, plan.modules("align")))
    assert not reached & {"lstsr.config.models", "lstsr.config.run", "lstsr.rows"}
    assert not {*closure("lstsr.evaluation.table"), *closure("lstsr.evaluation.report")} & {
        "lstsr.geo.resample",
        "lstsr.sensors.geotiff",
    }


def test_a_row_depends_on_its_own_model_and_kind_of_steps(root: Path) -> None:
    data = load(root / "config.yaml").model_dump(mode="json")
    gan = {"model": "dctnet", "variant": "gan", "train": {"adversarial": {}}}
    plan = Plan(validate(data | {"models": [{"model": "dctnet"}, gan]}))
    modules = {
        row.variant: plan.modules("train", name)
        for name, row in plan.rows.items()
        if row.model == "dctnet"
    }
    assert STEPS[False] in modules["base"] and STEPS[True] in modules["gan"]
    assert all(MODELS["dctnet"] in names for names in modules.values())


def test_a_missing_raster_is_noted_once_for_its_index_alone(tmp_path: Path) -> None:
    config = with_manifest(tmp_path, 3)
    config = config.model_copy(update={"results": str(tmp_path / "results")})
    plan, work = Plan(config), tmp_path / "results" / "work"
    (index,) = plan.shard_files("align")
    row = next(iter(plan.rows))
    prediction = tmp_path / "results" / "predictions" / row / "index.csv"
    aligned = [{"scene": "s0", "files": "target.tif water.tif"}, {"scene": "s1", "reason": "no"}]
    write_csv(Path(index), ("scene", "reason", "files"), aligned)
    write_csv(prediction, ("scene", "file"), [{"scene": "s0", "file": "s0.tif"}])
    rasters = [work / "aligned" / "s0" / name for name in ("target.tif", "water.tif")]
    rasters.append(prediction.with_name("s0.tif"))
    (work / "aligned" / "s0").mkdir(parents=True)
    for raster in rasters:
        raster.touch()
    indexes = (index, str(prediction))

    def notes() -> list[str]:
        plan.note_missing()
        return [plan.missing(path) for path in indexes]

    assert notes() == ["", ""]
    rasters[1].unlink()
    first, none = notes()
    assert first and not none
    assert notes() == [first, ""], "it stays while the raster is missing"
    rasters[1].touch()
    assert notes() == [first, ""], "and once its job has made the raster again"
    rasters[2].unlink()
    assert notes()[0] == first and notes()[1]
    rasters[1].unlink()
    write_csv(Path(index), ("scene", "reason", "files"), aligned)
    assert notes()[0] != first, "a later loss is another one"
