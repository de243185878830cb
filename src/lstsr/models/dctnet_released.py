"""DCTNet in its published form, for the weights that its authors released.

Source: Zhao et al., CVPR 2022. Networks that we train use `dctnet`.
"""

import re
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from lstsr import __version__
from lstsr.errors import LstsrError
from lstsr.models.base import conv3x3
from lstsr.models.dct import guided_solve
from lstsr.models.dctnet import FeatureExtraction, SemiCoupledLayer, reconstruction
from lstsr.models.weights import load_weights, read_metadata, read_state_dict, save_weights

NETWORK = "published-dctnet"
"""Name in the header of a file that `import_dctnet` writes."""

RELEASED_NAMES: Mapping[str, str] = {
    r"lambd": "theta",
    r"WPNet\.conv1\.": "attention.reduce.",
    r"WPNet\.conv2\.": "attention.strided.",
    r"WPNet\.conv_max\.": "attention.wide.1.",
    r"WPNet\.conv3\.": "attention.wide.3.",
    r"WPNet\.conv3_\.": "attention.wide.5.",
    r"WPNet\.conv_f\.": "attention.narrow.",
    r"WPNet\.conv4\.": "attention.expand.",
    r"Encoder_coupled\.init_deep\.0\.": "extraction.head_lst.",
    r"Encoder_coupled\.init_rgb\.0\.": "extraction.head_reference.",
    r"Encoder_coupled\.coupled_feat_extractor\.": "extraction.layers.",
    r"kernel_shared_(\d)": r"conv\1.shared",
    r"kernel_depth_(\d)": r"conv\1.lst",
    r"kernel_rgb_(\d)": r"conv\1.reference",
    r"bias_shared_(\d)": r"conv\1.shared_bias",
    r"bias_depth_(\d)": r"conv\1.lst_bias",
    r"bias_rgb_(\d)": r"conv\1.reference_bias",
    r"Decoder_depth\.Decoder_Deep\.": "tail.",
}
"""Names in the released checkpoints to our names."""


class PublishedAttention(nn.Module):
    """GESA as published: unpadded strides, resized to the image, from the reference only."""

    def __init__(self, features: int, inner: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(features, inner, 1)
        self.strided = nn.Conv2d(inner, inner, 3, stride=2)
        self.wide = nn.Sequential(
            nn.MaxPool2d(7, stride=3),
            conv3x3(inner, inner),
            nn.ReLU(),
            conv3x3(inner, inner),
            nn.ReLU(),
            conv3x3(inner, inner),
        )
        self.narrow = nn.Conv2d(inner, inner, 1)
        self.expand = nn.Conv2d(inner, features, 1)

    def forward(self, reference: Tensor) -> Tensor:
        """(N,features,H,W) to the same, in (0, 1); at least 15 x 15 pixels."""
        x = self.reduce(reference)
        wide = self.wide(self.strided(x))
        wide = F.interpolate(wide, x.shape[-2:], mode="bilinear", align_corners=False)
        return torch.sigmoid(self.expand(wide + self.narrow(x)))


class PublishedDCTNet(nn.Module):
    """The network of the released weights: 480,545 parameters, 64 features, 4 layers.

    It has no base and ends in a ReLU, so it takes images in 0 .. 1.
    """

    def __init__(self) -> None:
        super().__init__()
        features = 64
        coupled: list[nn.Module] = [SemiCoupledLayer(features, 0.0) for _ in range(4)]
        self.extraction = FeatureExtraction((1, 3), features, coupled, 0.0)
        self.attention = PublishedAttention(features, 16)
        self.theta = nn.Parameter(torch.empty(1, features, 1, 1).normal_(0.1, 0.3))
        self.tail = reconstruction(features, 0.0)

    def forward(self, upsampled: Tensor, guide: Tensor) -> Tensor:
        """Upsampled image (N,1,H,W) in 0 .. 1 and normalised guide (N,3,H,W) to (N,1,H,W)."""
        d, r = self.extraction(upsampled, guide)
        z = guided_solve(d, r, self.attention(r), self.theta[0].exp(), "published")
        return F.relu(self.tail(z))


def load_published(state_dict: Mapping[str, Tensor]) -> PublishedDCTNet:
    """The published network with weights named as released, with or without prefix `module.`.

    Raises LstsrError if a name is missing or unknown, or a tensor has another shape or is not
    finite.
    """
    renamed = {}
    for key, value in state_dict.items():
        name = key.removeprefix("module.")
        if name.startswith("WPNet.conv_dilation."):  # 2,320 numbers that no code of theirs uses
            continue
        for pattern, ours in RELEASED_NAMES.items():
            name = re.sub(pattern, ours, name)
        renamed[name] = value
    network = PublishedDCTNet()
    try:
        load_weights(network, renamed)
    except LstsrError as error:
        raise LstsrError(f"state_dict: not a released DCTNet checkpoint: {error}") from error
    return network


def import_dctnet(released: Path, output: Path) -> None:
    """Write the weights of a released checkpoint (.pth) to ``output`` (.safetensors).

    Raises LstsrError if the file cannot be read or holds anything but these weights.
    """
    try:
        network = load_published(read_state_dict(released))
    except LstsrError as error:
        raise LstsrError(f"{released}: {error}. Use a checkpoint released for DCTNet") from error
    save_weights(output, network.state_dict(), {"network": NETWORK, "version": __version__})


def read_dctnet(path: Path) -> PublishedDCTNet:
    """The network in a file of `import_dctnet`, on the CPU in evaluation mode.

    Raises LstsrError if the file is missing or is not such a file.
    """
    network = PublishedDCTNet()
    try:
        if (found := read_metadata(path)["network"]) != NETWORK:
            raise ValueError(f"network {found}")
        network.load_state_dict(load_file(path))
    except (OSError, SafetensorError, KeyError, ValueError, RuntimeError) as error:
        raise LstsrError(
            f"{path}: not an imported DCTNet checkpoint. Make one with `lstsr import-dctnet`"
        ) from error
    return network.eval()
