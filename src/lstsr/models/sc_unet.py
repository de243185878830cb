"""SC-UNet, SIF-NN-SR1 and SIF-NN-SR2: one U-Net with three sets of released weights.

Ait-Bachir et al., "Land Surface Temperature Super-Resolution with a Scale-Invariance-Free Neural
Approach: Application to MODIS", 2025 (hal-04925380). The three networks differ only in their
training. Modules have the names of the released tensors.
"""

from collections import OrderedDict
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstsr import __version__
from lstsr.errors import LstsrError
from lstsr.models.interpolation import bicubic
from lstsr.models.weights import load_weights, read_state_dict, save_weights
from lstsr.registry import register

SCALE = 4
"""The authors trained for x4 (4 km to 1 km) and apply it to 1 km."""

STEP = 8
"""Sides of the U-Net's input are multiples of 2^3 pixels, because it pools three times."""


def conv_block(channels_in: int, channels_out: int) -> list[nn.Module]:
    """A block: 3 x 3 convolution without bias (borders replicated), batch norm and ReLU."""
    conv = nn.Conv2d(channels_in, channels_out, 3, padding=1, padding_mode="replicate", bias=False)
    return [conv, nn.BatchNorm2d(channels_out), nn.ReLU()]


def double_conv(channels_in: int, inner: int, channels_out: int) -> nn.Sequential:
    """Two blocks."""
    blocks = nn.Sequential(*conv_block(channels_in, inner), *conv_block(inner, channels_out))
    return nn.Sequential(OrderedDict(bloc=blocks))


class ResidualBlock(nn.Module):
    """Adds two blocks to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.doubleconv = double_conv(channels, channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N,channels,H,W) to the same."""
        return x + self.doubleconv(x)


class Down(nn.Module):
    """Halves the sides by average pooling, then a residual block and one block."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.resblock = ResidualBlock(channels_in)
        self.lastconv = nn.Sequential(*conv_block(channels_in, channels_out))

    def forward(self, x: Tensor) -> Tensor:
        """(N,channels_in,H,W) to (N,channels_out,H/2,W/2)."""
        return self.lastconv(self.resblock(F.avg_pool2d(x, 2)))


class Up(nn.Module):
    """Doubles the sides (bilinear, corners aligned) and adds the features of the same size."""

    def __init__(self, channels_in: int, inner: int, channels_out: int) -> None:
        super().__init__()
        self.convbloc = double_conv(channels_in, inner, channels_out)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(N,C,H,W) and (N,channels_in - C,2H,2W) to (N,channels_out,2H,2W)."""
        up = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        return self.convbloc(torch.cat([up, skip], 1))


class UNet(nn.Module):
    """The released network: standardised LST and NDVI in, standardised LST out, no residual."""

    def __init__(self) -> None:
        super().__init__()
        self.inbloc = double_conv(2, 16, 16)
        self.db1 = Down(16, 32)
        self.db2 = Down(32, 64)
        self.db3 = Down(64, 64)
        self.ub1 = Up(128, 64, 32)
        self.ub2 = Up(64, 32, 16)
        self.ub3 = Up(32, 16, 16)
        self.outlay = nn.Conv2d(16, 1, 3, padding=1, padding_mode="replicate")

    def forward(self, x: Tensor) -> Tensor:
        """(N,2,H,W) to (N,1,H,W); H and W are multiples of `STEP`."""
        full = self.inbloc(x)
        half = self.db1(full)
        quarter = self.db2(half)
        features = self.ub1(self.db3(quarter), quarter)
        return self.outlay(self.ub3(self.ub2(features, half), full))


@register("sc-unet", released=True)
@register("sif-nn-sr1", released=True)
@register("sif-nn-sr2", released=True)
class SCUNet(nn.Module):
    """The released U-Net with a conversion between our units and those of its authors.

    The authors standardised LST and NDVI by means and standard deviations that they did not
    publish. Here LST and NDVI each have a gain and an offset. Training changes only these four
    numbers: convolutions are frozen, and batch norm always uses the stored statistics. The offset
    of the LST is relative to the scene's centre, so that f(T + c) = f(T) + c. The authors clip NDVI
    to -1..1. Here the readers mask values outside this range. Raises LstsrError if the scale is not
    4 or the reference has more bands than NDVI.
    """

    def __init__(self, scale: int, reference_channels: int) -> None:
        super().__init__()
        if scale != SCALE:
            raise LstsrError(f"scale: the released weights are for x{SCALE}, not for x{scale}")
        if reference_channels != 1:
            raise LstsrError(
                f"reference: the released weights need one channel (NDVI), not {reference_channels}"
            )
        self.unet = UNet().requires_grad_(False)
        self.log_gain = nn.Parameter(torch.zeros(1, 2, 1, 1))  # keeps the gain positive
        self.offset = nn.Parameter(torch.zeros(1, 2, 1, 1))
        self.train(self.training)

    def train(self, mode: bool = True) -> "SCUNet":
        """Set the mode. The U-Net stays in evaluation mode."""
        super().train(mode)
        self.unet.eval()
        return self

    def forward(
        self, coarse: Tensor, reference: Tensor, coarse_valid: Tensor, reference_valid: Tensor
    ) -> Tensor:
        """(N,1,h,w), (N,1,H,W) and masks to (N,1,H,W), in normalised units.

        A pixel without valid reference gets the mean NDVI of the training scenes.
        """
        ndvi = torch.where(reference_valid > 0, reference, 0.0)
        gain = self.log_gain.exp()
        units = torch.cat([bicubic(coarse, SCALE), ndvi], 1) * gain + self.offset
        height, width = units.shape[-2:]
        padded = F.pad(units, (0, -width % STEP, 0, -height % STEP), mode="replicate")
        fine: Tensor = self.unet(padded)[..., :height, :width]
        return (fine - self.offset[:, :1]) / gain[:, :1]


def import_released(name: str, released: Path, output: Path) -> None:
    """Write the released weights of the model ``name`` to a file for `train.initial`.

    ``released`` is the authors' state dict (.safetensors or .pth). In ``output`` (.safetensors)
    gains are 1 and offsets 0, because training fits them. Raises LstsrError if the file cannot be
    read or holds anything but these weights.
    """
    network = SCUNet(SCALE, 1)
    try:
        load_weights(network.unet, read_state_dict(released))
    except LstsrError as error:
        raise LstsrError(f"{released}: {error}. Use the file released for {name}") from error
    header = {
        "model": name,
        "options": {},
        "reference_bands": ["ndvi"],
        "source": "Ait-Bachir et al. 2025, hal-04925380",
        "licence": "CeCILL-C",
        "version": __version__,
    }
    save_weights(output, network.state_dict(), header)
