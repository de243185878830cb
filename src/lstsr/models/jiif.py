"""JIIF (Tang et al., ACM MM 2021): each fine pixel queries its four nearest coarse cells.

Two EDSR encoders make codes: f from the coarse image, g from the guide on the fine grid and on the
coarse grid. A perceptron gives a value and a logit for a fine pixel and each cell k of the four
around it. The residual over the base is the weighted sum of the values,

    (v_k, a_k) = MLP[f_k, g, g - g_k, offset from k],        sum over k of w_k v_k.

The published weights are w = softmax(a). They jump on the centre lines of the cells, where a pixel
exchanges one of its four cells for another, and this draws a lattice in the image. We also weight
by area, w_k ~ area_k exp(a_k), so that a cell has no weight on the line where it leaves or enters.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise, product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstsr.errors import LstsrError
from lstsr.models.base import Inputs, ResidualNetwork, conv3x3, zero_init
from lstsr.models.linear import coarse_reference
from lstsr.registry import register

PADDING: Mapping[str, str] = {"published": "constant", "area": "replicate"}
"""Values beyond the border, by blending. The published query reads zeros there, also for the centre
of the cell, so it measures this offset from the middle of the image."""

WIDTHS = (1024, 512, 256, 128)
"""Hidden layers of the published perceptron."""

CHUNK_MIB = 8
"""Size of the widest hidden layer of one chunk of rows. A query takes a few times more memory. On
the CPU the published network was a fifth faster with 8 than with 32 or without a limit."""


class ResidualBlock(nn.Module):
    """x + conv(ReLU(conv(x))): EDSR's block (Lim et al. 2017, section 3.1), without batch norm."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv1 = conv3x3(features, features)
        self.conv2 = conv3x3(features, features)

    def forward(self, x: Tensor) -> Tensor:
        """(N,features,H,W) to the same."""
        return x + self.conv2(F.relu(self.conv1(x)))


class Encoder(nn.Module):
    """EDSR without its upsampling: codes of ``features`` numbers on the grid of the image."""

    def __init__(self, channels: int, features: int, blocks: int) -> None:
        super().__init__()
        self.head = conv3x3(channels, features)
        self.body = nn.Sequential(
            *(ResidualBlock(features) for _ in range(blocks)), conv3x3(features, features)
        )

    def forward(self, image: Tensor) -> Tensor:
        """(N,channels,H,W) to (N,features,H,W)."""
        x = self.head(image).contiguous(memory_format=torch.channels_last)
        return x + self.body(x)


def neighbours(cells: int, scale: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The two coarse cells around each fine pixel along one axis, with the type of ``like``.

    Returns the index (size,) of the first cell among cells padded by one (the second is the next),
    the centre of each fine pixel (size,), in half cells from the middle of the image, and the
    weights of both cells by area, (2,size).
    """
    at = (torch.arange(cells * scale).to(like) + 0.5) / scale - 0.5
    low = at.floor()
    upper = at - low
    return low.long() + 1, 2 * at + 1 - cells, torch.stack([1 - upper, upper])


def _pairs(rows: Tensor, columns: Tensor) -> Tensor:
    """Every pair of a row and a column, (rows,columns,2)."""
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1)


class ImplicitFunction(nn.Module):
    """Encoders and query; other arguments as in `JIIF`.

    At the published size (1 coarse and 3 guide channels) it has 10,830,978 parameters. The released
    code counts 10,831,026, because each encoder has 24 frozen numbers of a mean shift that is
    switched off (3 x 3 + 3, before and behind).
    """

    def __init__(
        self,
        coarse_channels: int,
        guide_channels: int,
        features: int = 128,
        blocks: int = 16,
        widths: Sequence[int] = WIDTHS,
        blending: str = "area",
    ) -> None:
        super().__init__()
        if blending not in PADDING:
            known = ", ".join(PADDING)
            raise LstsrError(f"blending: unknown name {blending!r}; use one of {known}")
        if not widths:
            raise LstsrError("widths: the perceptron needs at least one hidden layer")
        self.blending, self.chunk_mib = blending, CHUNK_MIB
        self.depth_encoder = Encoder(coarse_channels, features, blocks)
        self.guide_encoder = Encoder(guide_channels, features, blocks)
        self.first = nn.Linear(3 * features + 2, widths[0])
        self.hidden = nn.ModuleList(nn.Linear(*pair) for pair in pairwise(widths))
        self.last = nn.Linear(widths[-1], 2)

    def forward(self, coarse: Tensor, guide: Tensor, coarse_guide: Tensor) -> Tensor:
        """Coarse image (N,*,h,w), guide (N,*,H,W) and guide (N,*,h,w) to the residual (N,1,H,W).

        The first layer is linear, so its part for a cell is computed once per cell. Rows come in
        chunks, which limits the memory if no gradients are kept (see `CHUNK_MIB`).
        """
        depth = self.depth_encoder(coarse)
        guide, coarse_guide = self.guide_encoder(guide), self.guide_encoder(coarse_guide)
        height, width = depth.shape[-2:]
        like = self.first.weight
        scale = guide.shape[-1] // width
        row_low, row_at, row_share = neighbours(height, scale, like)
        column_low, column_at, column_share = neighbours(width, scale, like)
        of_depth, of_guide, of_difference, of_offset = like.split([depth.shape[1]] * 3 + [2], 1)
        depth, guide, coarse_guide = (x.permute(0, 2, 3, 1) for x in (depth, guide, coarse_guide))
        cells = self._padded(F.linear(depth, of_depth) - F.linear(coarse_guide, of_difference))
        # In half cells from the middle of the image.
        centres = _pairs(*(2 * torch.arange(n).to(like) + 1 - n for n in (height, width)))
        centres = self._padded(centres[None])
        fine_weight = of_guide + of_difference

        def predict(chunk: slice) -> Tensor:
            """Rows of fine pixels to (N,rows,W)."""
            fine = F.linear(guide[:, chunk], fine_weight, self.first.bias)
            position = _pairs(row_at[chunk], column_at)
            answers, areas = [], []
            for row, column in product((0, 1), repeat=2):
                at = (slice(None), (row_low[chunk] + row)[:, None], column_low + column)
                x = fine + cells[at] + F.linear(position - centres[at], of_offset)
                for layer in (*self.hidden, self.last):
                    x = layer(F.relu(x))
                answers.append(x)
                areas.append(row_share[row, chunk, None] * column_share[column])
            value, logit = torch.stack(answers).unbind(-1)
            if self.blending == "area":
                area = torch.stack(areas)[:, None]
                logit = logit + area.clamp(min=torch.finfo(area.dtype).tiny).log()
            return (logit.softmax(0) * value).sum(0)

        widest = max(layer.out_features for layer in (self.first, *self.hidden))
        row_bytes = len(guide) * guide.shape[2] * widest * guide.element_size()
        step = max(1, self.chunk_mib * 2**20 // row_bytes)
        chunks = [slice(i, i + step) for i in range(0, guide.shape[1], step)]
        return torch.cat([predict(chunk) for chunk in chunks], 1)[:, None]

    def _padded(self, cells: Tensor) -> Tensor:
        """(N,h,w,C) to (N,h+2,w+2,C)."""
        planes = F.pad(cells.permute(0, 3, 1, 2), (1, 1, 1, 1), mode=PADDING[self.blending])
        return planes.permute(0, 2, 3, 1).contiguous()


@register("jiif")
class JIIF(ResidualNetwork):
    """JIIF of inputs and masks as a residual over a declared base.

    The guide on the coarse grid is the mean over the valid pixels of each cell; in the paper it is
    reduced by bicubic interpolation. A pixel sees 2 ``blocks`` + 3 coarse cells to each side. Other
    arguments as in `ResidualNetwork`. Raises LstsrError if an option is invalid.

    Args:
        features: numbers in a code; 128 as published, 32 for the CPU.
        blocks: residual blocks of each encoder.
        widths: hidden layers of the perceptron.
        blending: a key of `PADDING`: "area", or "published" for softmax weights.
    """

    def __init__(
        self,
        scale: int,
        reference_channels: int,
        features: int = 128,
        blocks: int = 16,
        widths: Sequence[int] = WIDTHS,
        blending: str = "area",
        base: str = "bicubic",
    ) -> None:
        super().__init__(scale, reference_channels, base)
        self.implicit = ImplicitFunction(
            2, reference_channels + 1, features, blocks, widths, blending
        )
        zero_init(self.implicit.last)

    def residual(self, inputs: Inputs) -> Tensor:
        """Residual over the base, (N,1,H,W)."""
        _, coarse, reference, coarse_valid, reference_valid = inputs
        return self.implicit(
            torch.cat([coarse, coarse_valid], 1),
            torch.cat([reference, reference_valid], 1),
            torch.cat(coarse_reference(reference, reference_valid, self.scale), 1),
        )
