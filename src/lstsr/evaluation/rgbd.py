"""RGB-D super-resolution by the protocol of DCTNet's authors, for their released weights.

The protocol (released code of Zhao et al., CVPR 2022): Sides are cropped to multiples of the scale.
The true depth is mapped to 0 .. 1 by its minimum and maximum, then reduced and enlarged again by
Pillow's bicubic filter, which averages when it reduces. The guide is divided by 255 and
standardised as for ImageNet. Outputs are clamped to 0 .. 1. The error of an image is its RMSE in
the unit of its depth file; the error of a set is the mean over its images. The range of the truth
is oracle information, which our own rows never see.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from lstsr.errors import LstsrError
from lstsr.image import Floats
from lstsr.models.dctnet_released import PublishedDCTNet
from lstsr.training.network_io import best_device

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
IMAGENET_STD = np.array([0.229, 0.224, 0.225], np.float32)
"""Of red, green and blue in 0 .. 1 (Torchvision, transforms of pretrained networks)."""
SMALLEST_PX = 15
"""Shortest side that the published attention accepts."""


@dataclass(frozen=True)
class Pair:
    """One prepared image: float32 arrays on the fine grid.

    ``truth`` and ``upsampled`` (bicubic), both (H,W), are in 0 .. 1. ``guide`` (3,H,W) is
    standardised. ``depth_range`` is maximum minus minimum of the truth, in the unit of its file.
    """

    truth: Floats
    upsampled: Floats
    guide: Floats
    depth_range: float


class Score(NamedTuple):
    """RMSE of one image by the network and by bicubic, in the unit of its depth file."""

    name: str
    rmse: float
    bicubic_rmse: float


def evaluate(
    network: PublishedDCTNet, rgb: Path, depth: Path, scale: int, crop: int = 0
) -> list[Score]:
    """Score every pair of two folders, matched by sorted name.

    ``network`` is in evaluation mode. ``rgb`` is a folder of 8-bit colour images (png, jpg, bmp),
    ``depth`` a folder of one-channel depth images (png, npy). ``crop`` pixels at each border do not
    count (6 for NYU, 0 for other sets). Raises LstsrError if an argument, a folder or a file does
    not fit.
    """
    if scale < 2 or crop < 0:
        raise LstsrError(
            f"scale {scale}, crop {crop}: give a scale of at least 2 and a crop of at least 0"
        )
    device = best_device()
    network = network.to(device)
    scores = []
    for rgb_file, depth_file in pairs(rgb, depth):
        pair = read_pair(rgb_file, depth_file, scale, crop)
        with torch.no_grad():
            output = network(
                torch.from_numpy(pair.upsampled)[None, None].to(device),
                torch.from_numpy(pair.guide)[None].to(device),
            )
        errors = (rmse(image, pair, crop) for image in (output[0, 0].cpu().numpy(), pair.upsampled))
        scores.append(Score(depth_file.stem, *errors))
    return scores


def report(scores: list[Score]) -> str:
    """One line per image and one for their mean."""
    rows = [*scores, Score("mean", *np.mean([score[1:] for score in scores], axis=0))]
    width = max(len(row.name) for row in rows)
    lines = [f"{name:{width}}  {own:10.5f}  {bicubic:10.5f}" for name, own, bicubic in rows]
    return "\n".join([f"{'image':{width}}  {'RMSE':>10}  {'bicubic':>10}", *lines])


def pairs(rgb: Path, depth: Path) -> Iterator[tuple[Path, Path]]:
    """The files of both folders in order of name. Raises LstsrError if their numbers differ."""
    colours = _files(rgb, {".png", ".jpg", ".jpeg", ".bmp"})
    depths = _files(depth, {".png", ".npy"})
    if len(colours) != len(depths):
        raise LstsrError(
            f"{rgb}: {len(colours)} images, but {len(depths)} depths in {depth}. "
            "Give one depth per image; they are matched by sorted name"
        )
    return zip(colours, depths, strict=True)


def read_pair(rgb: Path, depth: Path, scale: int, crop: int = 0) -> Pair:
    """Read and prepare one pair. Raises LstsrError if it does not fit."""
    guide, truth = np.asarray(_open(rgb).convert("RGB")), read_depth(depth)
    if guide.shape[:2] != truth.shape:
        raise LstsrError(
            f"{rgb}: {guide.shape[:2]} pixels, but {truth.shape} in {depth.name}. Name a pair"
        )
    height, width = (side - side % scale for side in truth.shape)
    if min(height, width) < max(SMALLEST_PX, 2 * crop + 1):
        raise LstsrError(f"{depth}: {truth.shape} pixels are too few for crop {crop}. Leave it out")
    return prepare(guide[:height, :width], truth[:height, :width], scale, depth)


def prepare(guide: np.ndarray, truth: Floats, scale: int, name: Path) -> Pair:
    """Apply the protocol to a guide (H,W,3), 8 bits, and a truth (H,W), multiples of ``scale``."""
    low, high = float(truth.min()), float(truth.max())
    if not 0 < high - low < np.inf:  # false for NaN, too
        raise LstsrError(f"{name}: depths from {low} to {high} have no range. Leave it out")
    truth = ((truth - low) / (high - low)).astype(np.float32)
    height, width = truth.shape
    coarse = _bicubic(truth, width // scale, height // scale)
    standard = (guide / np.float32(255) - IMAGENET_MEAN) / IMAGENET_STD
    return Pair(
        truth=truth,
        upsampled=_bicubic(coarse, width, height),
        guide=np.ascontiguousarray(standard.transpose(2, 0, 1), np.float32),
        depth_range=high - low,
    )


def rmse(image: Floats, pair: Pair, crop: int = 0) -> float:
    """RMSE of an image (H,W), clamped to 0 .. 1, in the unit of the depth file."""
    error = np.clip(image, 0, 1).astype(np.float64) - pair.truth
    inner = error[crop : error.shape[0] - crop, crop : error.shape[1] - crop]
    return float(np.sqrt(np.mean(inner**2))) * pair.depth_range


def read_depth(path: Path) -> Floats:
    """Depth (H,W), float32, in the unit of the file."""
    if path.suffix.lower() != ".npy":
        image = _open(path)
        depth = np.asarray(image.convert("RGB") if image.mode == "P" else image)
    else:
        try:
            depth = np.load(path, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise LstsrError(f"{path}: not an array of numbers. Leave it out") from error
    if depth.ndim != 2 or depth.dtype.kind not in "uif":
        raise LstsrError(
            f"{path}: {depth.dtype} of shape {depth.shape} is not a depth of one channel. "
            "Leave it out"
        )
    return depth.astype(np.float32)


def _bicubic(image: Floats, width: int, height: int) -> Floats:
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC))


def _open(path: Path) -> Image.Image:
    try:
        image = Image.open(path)
        image.load()
    except (OSError, UnidentifiedImageError) as error:
        raise LstsrError(f"{path}: not a readable image. Leave it out") from error
    return image


def _files(folder: Path, suffixes: set[str]) -> list[Path]:
    if not folder.is_dir():
        raise LstsrError(f"{folder}: not a folder. Name one")
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
    if not files:
        raise LstsrError(f"{folder}: no file of {', '.join(sorted(suffixes))}. Name another folder")
    return files
