"""JIIF (Tang et al., ACM MM 2021): each fine pixel queries its four nearest coarse cells.

Two EDSR encoders make codes: f from the coarse image, g from the guide on the fine grid and on the
coarse grid. A perceptron gives a value and a logit for a fine pixel and each cell k of the four
around it. The residual over the base is the weighted sum of the values,

    (v_k, a_k) = MLP[f_k, g, g - g_k, offset from k],        sum over k of w_k v_k.

The published weights are w = softmax(a). They jump on the centre lines of the cells, where a pixel
exchanges one of its four cells for another, and print a lattice on the image. We also weigh by
area, w_k ~ area_k exp(a_k), so a cell has no weight at the line where it leaves or enters.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lstsr.errors import LstsrError
from lstsr.models.base import Inputs, ResidualNetwork, conv3x3, zero_init
from lstsr.models.linear import coarse_reference
from lstsr.registry import register

PADDING: Mapping[str, str] = {"published": "constant", "area": "replicate"}
"""Values beyond the border, by blending. The published query reads zeros there, also for the centre
of the cell, so it measures that offset from the middle of the image."""

WIDTHS = (1024, 512, 256, 128)
"""Hidden layers of the published perceptron."""

CHUNK_MIB = 8
"""Size of the widest hidden layer of one chunk of rows; a query takes a few times that. On the CPU
the published size ran a fifth faster with 8 than with 32 or with no limit."""


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
    """EDSR without its upsampling: an image to codes of ``features`` numbers on the same grid."""

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


class Neighbours(NamedTuple):
    """The two coarse cells around each fine pixel along one axis.

    Attributes:
        low: index (size,) of the first cell among cells padded by one; the second is the next.
        position: centres of the fine pixels, in half cells from the middle of the image.
        share: weight of the first and of the second cell by area, (2,size).
    """

    low: Tensor
    position: Tensor
    share: Tensor


def neighbours(cells: int, scale: int, like: Tensor) -> Neighbours:
    """Neighbours of the `cells * scale` fine pixels along an axis of `cells` coarse cells.

    Numbers have the dtype and the device of `like`.
    """
    at = (torch.arange(cells * scale).to(like) + 0.5) / scale - 0.5
    low = at.floor()
    upper = at - low
    return Neighbours(low.long() + 1, 2 * at + 1 - cells, torch.stack([1 - upper, upper]))


def _pairs(rows: Tensor, columns: Tensor) -> Tensor:
    """Every pair of a row and a column, (rows,columns,2)."""
    return torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1)


class ImplicitFunction(nn.Module):
    """Encoders and query.

    At the published size (1 coarse and 3 guide channels) it has 10,830,978 parameters. The released
    code counts 10,831,026. Each of its encoders has 24 frozen numbers of a mean shift
    (3 x 3 + 3, before and behind) that is switched off.

    Args:
        coarse_channels: channels of the coarse image.
        guide_channels: channels of the guide; other arguments as in `JIIF`.

    Raises:
        LstsrError: the blending is unknown, or there is no hidden layer.
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
            raise LstsrError(
                f"blending: unknown name {blending!r}; use one of {', '.join(PADDING)}"
            )
        if not widths:
            raise LstsrError("widths: the perceptron needs at least one hidden layer")
        self.blending, self.chunk_mib = blending, CHUNK_MIB
        self.depth_encoder = Encoder(coarse_channels, features, blocks)
        self.guide_encoder = Encoder(guide_channels, features, blocks)
        self.first = nn.Linear(3 * features + 2, widths[0])
        self.hidden = nn.ModuleList(
            nn.Linear(*pair) for pair in zip(widths[:-1], widths[1:], strict=True)
        )
        self.last = nn.Linear(widths[-1], 2)

    def forward(self, coarse: Tensor, guide: Tensor, coarse_guide: Tensor) -> Tensor:
        """Residual over the base.

        Args:
            coarse: (N,coarse_channels,h,w).
            guide: (N,guide_channels,H,W), H and W the same multiple of h and w.
            coarse_guide: the guide on the coarse grid, (N,guide_channels,h,w).

        Returns:
            (N,1,H,W).
        """
        return self.query(
            self.depth_encoder(coarse), self.guide_encoder(guide), self.guide_encoder(coarse_guide)
        )

    def query(self, depth: Tensor, guide: Tensor, coarse_guide: Tensor) -> Tensor:
        """Codes (N,features,h,w), (N,features,H,W) and (N,features,h,w) to (N,1,H,W).

        The first layer is linear, so its part for a cell is computed once per cell. Rows come in
        chunks, which bounds the memory if no gradients are kept (see `CHUNK_MIB`).
        """
        height, width = depth.shape[-2:]
        like = self.first.weight
        rows, columns = (neighbours(n, guide.shape[-1] // width, like) for n in (height, width))
        of_depth, of_guide, of_difference, of_offset = like.split([depth.shape[1]] * 3 + [2], 1)
        depth, guide, coarse_guide = (x.permute(0, 2, 3, 1) for x in (depth, guide, coarse_guide))
        cells = self._padded(F.linear(depth, of_depth) - F.linear(coarse_guide, of_difference))
        # in half cells from the middle of the image
        centres = _pairs(*(2 * torch.arange(n).to(like) + 1 - n for n in (height, width)))
        centres = self._padded(centres[None])
        fine_weight = of_guide + of_difference

        def predict(chunk: slice) -> Tensor:
            """Rows of fine pixels to (N,rows,W)."""
            fine = F.linear(guide[:, chunk], fine_weight, self.first.bias)
            position = _pairs(rows.position[chunk], columns.position)
            answers, areas = [], []
            for row in (0, 1):
                for column in (0, 1):
                    at = (slice(None), (rows.low[chunk] + row)[:, None], columns.low + column)
                    offset = F.linear(position - centres[at], of_offset)
                    x = fine + cells[at] + offset
                    for layer in (*self.hidden, self.last):
                        x = layer(F.relu(x))
                    answers.append(x)
                    areas.append(rows.share[row, chunk, None] * columns.share[column])
            value, logit = torch.stack(answers).unbind(-1)
            if self.blending == "area":
                area = torch.stack(areas)[:, None]
                logit = logit + area.clamp(min=torch.finfo(area.dtype).tiny).log()
            return (logit.softmax(0) * value).sum(0)

        step = self.rows_per_chunk(len(guide), guide.shape[2], guide.element_size())
        chunks = [slice(i, i + step) for i in range(0, guide.shape[1], step)]
        return torch.cat([predict(chunk) for chunk in chunks], 1)[:, None]

    def _padded(self, cells: Tensor) -> Tensor:
        """(N,h,w,C) to (N,h+2,w+2,C)."""
        planes = F.pad(cells.permute(0, 3, 1, 2), (1, 1, 1, 1), mode=PADDING[self.blending])
        return planes.permute(0, 2, 3, 1).contiguous()

    def rows_per_chunk(self, images: int, width: int, number_bytes: int) -> int:
        """Rows of `width` pixels, of all images at once, that `chunk_mib` allows; at least one."""
        widest = max(layer.out_features for layer in (self.first, *self.hidden))
        return max(1, self.chunk_mib * 2**20 // (images * width * widest * number_bytes))


@register("jiif")
class JIIF(ResidualNetwork):
    """JIIF as a residual over a declared base, its inputs with their masks.

    The guide on the coarse grid is the mean over the valid pixels of each cell; the published one
    is reduced by bicubic interpolation. A pixel sees 2 `blocks` + 3 coarse cells to each side.
    Other arguments are those of `ResidualNetwork`.

    Args:
        features: numbers in a code; 128 as published, 32 for the CPU.
        blocks: residual blocks of each encoder.
        widths: hidden layers of the perceptron.
        blending: a key of `PADDING`: "area", or "published" for softmax weights.

    Raises:
        LstsrError: an option has an invalid value.
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
