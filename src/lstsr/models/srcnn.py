"""SRCNN (Dong et al., ECCV 2014): three convolutions over the bicubic image, without a reference.

The layers extract patches, map them to another representation and assemble the fine image
(section 3.1).
"""

import torch.nn.functional as F
from torch import Tensor, nn

from lstsr.errors import LstsrError
from lstsr.models.base import Inputs, ResidualNetwork, zero_init
from lstsr.models.interpolation import bicubic
from lstsr.registry import register


@register("srcnn", guided=False)
class SRCNN(ResidualNetwork):
    """SRCNN as a residual over a declared base. The paper has no base.

    The kernels have odd widths ``f1``, ``f2`` and ``f3`` in fine pixels, with ``n1`` and ``n2``
    maps between them. 9-1-5 (the default) has 8,032 weights and 97 biases, 9-5-5 has 57,184 weights
    (paper, section 4.3). Borders are replicated. Other arguments as in `ResidualNetwork`. Raises
    LstsrError if a width is even or the base is unknown.
    """

    def __init__(
        self,
        scale: int,
        reference_channels: int,
        f1: int = 9,
        f2: int = 1,
        f3: int = 5,
        n1: int = 64,
        n2: int = 32,
        base: str = "bicubic",
        bands: int = 1,
    ) -> None:
        super().__init__(scale, reference_channels, base, bands=bands)
        self.first = _conv("f1", bands, n1, f1)
        self.second = _conv("f2", n1, n2, f2)
        self.last = _conv("f3", n2, bands, f3)
        zero_init(self.last)

    def residual(self, inputs: Inputs) -> Tensor:
        """Residual over the base, (N,B,H,W), from the bicubic image only."""
        x = F.relu(self.first(bicubic(inputs.coarse, self.scale)))
        return self.last(F.relu(self.second(x)))


def _conv(name: str, channels_in: int, channels_out: int, width: int) -> nn.Conv2d:
    """Convolution that keeps the image size, with replicated borders."""
    if width < 1 or width % 2 == 0:
        raise LstsrError(f"{name}: {width} is not an odd number of pixels")
    return nn.Conv2d(channels_in, channels_out, width, padding=width // 2, padding_mode="replicate")
