"""SRCNN (Dong et al., ECCV 2014): three convolutions over the bicubic image, without a reference.

The paper's layers (section 3.1) extract patches, map them to another representation and put the
fine image together: kernels of f1, f2 and f3 pixels, n1 and n2 maps between them.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from lstsr.errors import LstsrError
from lstsr.models.base import ResidualNetwork, zero_init
from lstsr.models.interpolation import bicubic


class SRCNN(ResidualNetwork):
    """SRCNN as a residual over a declared base; the paper's output is no residual.

    9-1-5 (the default) has 8,032 weights and 97 biases, 9-5-5 57,184 weights (paper, section 4.3).
    Borders are replicated, as a fine pixel outside is most like the outermost one.

    Args:
        scale: coarse spacing / fine spacing.
        reference_channels: ignored.
        f1: odd width of the first kernel, fine pixels.
        f2: of the second.
        f3: of the third.
        n1: maps after the first layer.
        n2: after the second.
        base: what the residual is over, see `BASES`.
        bands: of the image (B), in and out; 1 for LST.

    Raises:
        LstsrError: a kernel's width is even, or the base is unknown.
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

    def residual(
        self,
        base: Tensor,
        coarse: Tensor,
        reference: Tensor,
        coarse_valid: Tensor,
        reference_valid: Tensor,
    ) -> Tensor:
        """What the base misses, (N,B,H,W), from the bicubic image alone."""
        x = F.relu(self.first(bicubic(coarse, self.scale)))
        fine: Tensor = self.last(F.relu(self.second(x)))
        return fine


def _conv(name: str, channels_in: int, channels_out: int, width: int) -> nn.Conv2d:
    """Convolution of equal size, borders replicated."""
    if width < 1 or width % 2 == 0:
        raise LstsrError(f"{name}: {width} is not an odd number of pixels")
    return nn.Conv2d(channels_in, channels_out, width, padding=width // 2, padding_mode="replicate")


NETWORKS: dict[str, type[nn.Module]] = {"srcnn": SRCNN}
