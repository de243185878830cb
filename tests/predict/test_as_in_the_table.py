"""A product by the command is the prediction of the table's run: every kind of row, both ways."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lstsr.config import Block, Config, GenerateConfig, validate
from lstsr.dataset.align import align
from lstsr.dataset.assembly import centre_of, network_scene
from lstsr.dataset.loader import Dataset
from lstsr.dataset.pack import pack
from lstsr.errors import LstsrError
from lstsr.manifest import Scene
from lstsr.predict.pair import read_pair
from lstsr.predict.product import make_product
from lstsr.predict.request import Files, Request
from lstsr.predict.scenes import predict_split
from lstsr.registry import CLASSICAL, UNGUIDED, build
from lstsr.rows import Row
from lstsr.sensors import geotiff
from lstsr.simulate.places import names as simulated_names
from lstsr.simulate.sample import make as simulate
from lstsr.tracks import key_of
from lstsr.training.checkpoint import CheckpointHeader, read_header, save_checkpoint
from tests.triplets import Sample, config_of, make, names

WITHIN_K = 1e-4
GENERATED = GenerateConfig(places=4, dates=1, size_km=32, clouds=0.1, seed=5)
PLAIN = Sample(scenes=3, coarse_size=24)
LAYERS = ["elevation", "slope", "water", "view_zenith", "sun_zenith", "illumination"]
KOREA = {
    "dataset": "sample",
    "origin": "simulated",
    "acquire": {"provider": "generate"},
    "sensors": {
        "input": {"product": "gk2a"},
        "reference": {"product": "goci2", "bands": ["rhoc_660", "rhoc_865", "ndvi"]},
        "target": {"product": "landsat"},
    },
    "split": {"test": 0.25, "validation": 0.25},
    "align": {
        "anchor": "target",
        "grid": {
            "crs": "+proj=lcc +lat_1=30 +lat_2=60 +lat_0=38 +lon_0=126 +datum=WGS84 +units=m",
            "spacing_m": 2000,
        },
        "scale": 8,
        "registration": {"reference": False, "input": False, "input_psf_cells": None},
        "layers": LAYERS,
        "covariates": ["view_zenith", "sun_zenith", "season", "ndvi", "elevation"],
    },
    "blocks": [{"track": "observed", "scale": 8}, {"track": "observed", "scale": 4}],
}
DATED = GenerateConfig(places=3, dates=2, size_km=32, clouds=0.1, seed=5)
HISTORY = ["history", "history_age", "history_count"]
NETWORKS = {
    "srcnn": {},
    "esrnet": {"features": 4, "growth": 4, "blocks": 1},
    "dctnet": {"features": 8, "layers": 1, "base": "local-linear"},
}


@dataclass(frozen=True)
class Run:
    """Scenes that were aligned and packed: the last one is to be predicted."""

    config: Config
    scene: Scene
    data: Path
    folder: Path

    def row(self, model: str, scale: int, layers: list[str], harmonised: bool) -> dict[str, Any]:
        reference = self.config.sensors.reference
        assert reference is not None
        trained = model not in CLASSICAL
        return {
            "dataset": self.config.dataset,
            "track": "observed",
            "scale": scale,
            "model": model,
            "variant": "base",
            "seed": 0,
            "harmonised": harmonised,
            "guide": "own",
            "normalisation": "input",
            "channels": [*reference.names, *layers],
            "options": NETWORKS.get(model, {}),
            "train": asdict(self.config.train) if trained else None,
        }

    def checkpoint(self, row: dict[str, Any]) -> Path:
        """Disturbed weights, so that a network departs from its base, and what training notes."""
        dataset = Dataset(self.data, row["channels"])
        meta, key = dataset.meta, key_of("observed", row["scale"], row["harmonised"])
        torch.manual_seed(row["seed"])
        network = build(row["model"], row["scale"], len(row["channels"]), **row["options"])
        with torch.no_grad():
            for values in network.parameters():
                values += 0.05 * torch.randn_like(values)
        described = CheckpointHeader(
            row=Row.from_dict(row),
            dataset=meta.dataset,
            origin=meta.origin,
            target_m=meta.target_m[key],
            reference_bands=meta.reference_bands,
            scale_k=meta.scale_k,
            reference_mean=meta.reference_mean,
            reference_std=meta.reference_std,
            validation_ubrmse_k=1.0,
            best_step=1,
            steps=1,
            train_seconds=1.0,
            fallback="bicubic",
            harmonisation=meta.harmonisation if row["harmonised"] else None,
            readings=meta.config["sensors"],
            align=meta.config["align"],
        )
        name = f"{row['model']}-{row['scale']}-{row['harmonised']}-{row['seed']}"
        path = self.folder / f"{name}.safetensors"
        save_checkpoint(path, network.state_dict(), described)
        return path

    @property
    def files(self) -> Files:
        assert self.scene.input and self.scene.reference
        files = Files(self.scene.input, self.scene.reference, self.scene.dem, self.scene.water)
        extent = self.scene.target if self.config.align.grid else None
        history = self.folder / "earlier.csv" if "history" in self.config.align.layers else None
        return replace(files, extent=extent, time=self.scene.time, history=history)


def packed(config: Config, scenes: list[Scene], folder: Path) -> Run:
    splits = {scene.scene: "train" for scene in scenes}
    splits |= {scenes[-2].scene: "validation", scenes[-1].scene: "test"}
    for scene in scenes:
        assert not align(scene, config.sensors, config.align, folder / "aligned", scenes).reason
    settings = config.model_dump(mode="json")
    data = folder / "dataset.safetensors"
    blocks = [Block.model_validate(block) for block in settings["blocks"]]
    pack(data, folder / "aligned", splits, config.dataset, blocks, config.packing, settings)
    return Run(config, scenes[-1], data, folder)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """GeoTIFFs on the input's own grid, moved by shifts that are told."""
    folder = tmp_path_factory.mktemp("plain")
    shifts = {"reference": [0.85, -1.05], "input": [0.4, 0.3]}
    off = {"reference": False, "input": False, "constant": shifts}
    config = config_of(align={"registration": off})
    scenes = [make(name, folder, PLAIN) for name in names(PLAIN)]
    return packed(config, scenes, folder)


@pytest.fixture(scope="module")
def korea(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Agencies' products on a grid of its own, with layers and covariates."""
    folder = tmp_path_factory.mktemp("korea")
    scenes = [simulate(name, folder, GENERATED) for name in simulated_names(GENERATED)]
    return packed(validate(KOREA), scenes, folder)


@pytest.fixture(scope="module")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two dates of each place, with earlier LST as a layer; the manifest lists every target."""
    folder = tmp_path_factory.mktemp("dated")
    scenes = [simulate(name, folder, DATED) for name in simulated_names(DATED)]
    lines = [f"{one.scene},{one.target.relative_to(folder)},{one.time}\n" for one in scenes]
    (folder / "earlier.csv").write_text("scene,target,time\n" + "".join(lines))
    config = validate(KOREA | {"align": KOREA["align"] | {"layers": ["history", "slope"]}})
    return packed(config, scenes, folder)


def compared(
    run: Run, row: dict[str, Any], ensemble: bool = False, seeds: int = 1, **more: Any
) -> None:
    """The row's prediction of the test scene, by the workflow's command and by `predict`."""
    members = [] if row["model"] in CLASSICAL else [row | {"seed": seed} for seed in range(seeds)]
    checkpoints = [run.checkpoint(member) for member in members]
    model, *others = map(str, checkpoints or [row["model"]])
    index = run.folder / f"predictions-{row['model']}" / "index.csv"
    predict_split(
        run.data, Row.from_dict(row), "test", checkpoints, index, 1, self_ensemble=ensemble
    )
    expected = geotiff.read_written(index.parent / f"{run.scene.scene}.tif")
    request = Request(
        model=model,
        files=run.files,
        output=run.folder / "out.tif",
        register=False,
        self_ensemble=ensemble,
        seed_ensemble=others,
        overwrite=True,
        **more,
    )
    make_product(request)
    found = geotiff.read_written(request.output)
    assert found.grid.transform.almost_equals(expected.grid.transform, 1e-6)
    np.testing.assert_array_equal(found.valid, expected.valid)
    assert found.valid.mean() > 0.3
    worst_k = np.abs(found.values - expected.values)[:, found.valid].max()
    assert worst_k < WITHIN_K


# The anchor is the input: the reference moves by the difference of the two told shifts.
TOLD = {"reference": (0.85 - 0.4, -1.05 - 0.3)}


@pytest.mark.parametrize("model", sorted(CLASSICAL | set(NETWORKS)))
def test_a_row_of_plain_rasters(plain: Run, model: str) -> None:
    more: dict[str, Any] = {}
    if model in CLASSICAL - UNGUIDED:  # whose ridge is measured by the training's statistics
        more["like"] = plain.checkpoint(plain.row("dctnet", 4, [], False))
    compared(plain, plain.row(model, 4, [], False), shifts=TOLD, scale=4, **more)


def test_a_self_ensemble(plain: Run) -> None:
    compared(plain, plain.row("dctnet", 4, [], False), ensemble=True, shifts=TOLD)


@pytest.mark.parametrize("turned", [False, True])
def test_a_seed_ensemble(plain: Run, turned: bool) -> None:
    row = plain.row("dctnet", 4, [], False)
    compared(plain, row, turned, seeds=2, shifts=TOLD)
    made = geotiff.tags(plain.folder / "out.tif")["model"]
    assert made == "dctnet-4-False-0.safetensors dctnet-4-False-1.safetensors"


@pytest.mark.slow
@pytest.mark.parametrize("scale", [8, 4])
@pytest.mark.parametrize("layers", [[], LAYERS], ids=["bands", "with layers"])
def test_a_network_on_a_grid_of_its_own(korea: Run, scale: int, layers: list[str]) -> None:
    compared(korea, korea.row("dctnet", scale, layers, False))


@pytest.mark.slow
@pytest.mark.parametrize("scale", [8, 4])
def test_a_network_that_sees_earlier_lst(dated: Run, scale: int) -> None:
    row = dated.row("dctnet", scale, ["slope", *HISTORY], False)
    held = Dataset(dated.data, HISTORY).scene(dated.scene.scene, key_of("observed", scale))
    assert held.reference[2].max() == 1, "or nothing was tested"
    compared(dated, row)


@pytest.mark.slow
def test_a_network_that_sees_earlier_lst_asks_for_it(dated: Run, korea: Run) -> None:
    checkpoint = dated.checkpoint(dated.row("dctnet", 8, HISTORY, False))
    without = replace(dated.files, history=None)
    with pytest.raises(LstsrError, match="sees earlier LST. Add --history with a folder"):
        make_product(Request(str(checkpoint), without, dated.folder / "none.tif"))
    other = korea.checkpoint(korea.row("dctnet", 8, [], False))
    with pytest.raises(LstsrError, match="--history: .* sees no earlier LST. Leave"):
        make_product(Request(str(other), dated.files, dated.folder / "none.tif"))
    absent = replace(dated.files, history=dated.folder / "absent.csv")
    with pytest.raises(LstsrError, match="--history .*absent.csv: not found"):
        make_product(Request(str(checkpoint), absent, dated.folder / "none.tif"))
    (dated.folder / "empty").mkdir()
    empty = replace(dated.files, history=dated.folder / "empty")
    with pytest.raises(LstsrError, match=r"no file \*_MTL.txt lies in or below it"):
        make_product(Request(str(checkpoint), empty, dated.folder / "none.tif"))


@pytest.mark.slow
def test_a_folder_of_earlier_lst_is_read_like_a_manifest(dated: Run, tmp_path: Path) -> None:
    checkpoint = dated.checkpoint(dated.row("dctnet", 8, HISTORY, False))
    made: list[np.ndarray] = []
    for history in (dated.folder / "earlier.csv", dated.folder):
        files = replace(dated.files, history=history)
        output = tmp_path / f"{len(made)}.tif"
        make_product(Request(str(checkpoint), files, output, register=False))
        made.append(geotiff.read_written(output).values)
        assert geotiff.tags(output)["earlier_lst"].count("Z") == 1, "the scene itself is left out"
    np.testing.assert_array_equal(*made)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [8, 4])
def test_a_harmonised_network(korea: Run, scale: int) -> None:
    row = korea.row("dctnet", scale, LAYERS, True)
    compared(korea, row)
    checkpoint = read_header(korea.checkpoint(row))
    assert checkpoint.harmonisation, "or nothing was tested"


@pytest.mark.slow
@pytest.mark.parametrize("model", ["bilinear", "local-linear"])
@pytest.mark.parametrize("harmonised", [False, True])
def test_a_classical_row_reads_and_places_like_a_checkpoint(
    korea: Run, model: str, harmonised: bool
) -> None:
    like = korea.checkpoint(korea.row("dctnet", 8, [], harmonised))
    compared(korea, korea.row(model, 8, [], harmonised), like=like)


@pytest.mark.slow
@pytest.mark.parametrize("harmonised", [False, True])
@pytest.mark.parametrize("scale", [8, 4])
def test_every_array_that_a_network_sees_is_the_same(
    korea: Run, scale: int, harmonised: bool
) -> None:
    row = korea.row("dctnet", scale, LAYERS, harmonised)
    trained = read_header(korea.checkpoint(row))
    pair = read_pair(korea.files, trained, scale).assembled()
    seen = network_scene(pair.input, pair.reference)
    key = key_of("observed", scale, harmonised)
    dataset = Dataset(korea.data, row["channels"])
    held = dataset.scene(korea.scene.scene, key)
    np.testing.assert_array_equal(seen.input_valid, held.input_valid)
    np.testing.assert_array_equal(seen.reference_valid, held.reference_valid)
    np.testing.assert_allclose(seen.input, held.input, atol=WITHIN_K)
    np.testing.assert_allclose(seen.reference, held.reference, rtol=1e-6, atol=1e-6)
    centre_k = dataset.scene_meta(korea.scene.scene).centre_k[key]
    seen_k = centre_of(pair.input.values, pair.input.valid)
    assert seen_k == pytest.approx(centre_k, abs=WITHIN_K)
