"""Guided solve in the basis of the discrete cosine transform (DCTNet, Zhao et al., CVPR 2022).

Features D of the LST and R of the reference meet in one problem per channel (section 3.3),

    min over x of |x - D|^2 + lambda |L x - W o L R|^2,

with L the Laplacian and W in (0, 1) the edges of the reference worth transferring. With Neumann
borders the 5-point L is diagonal in the DCT-II basis, with eigenvalues kappa, so that

    x = IDCT[ DCT(D + lambda L (W o L R)) / (1 + lambda kappa^2) ].
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


# A tensor made in inference mode cannot be used in training later.
@lru_cache(maxsize=64)
@torch.inference_mode(False)
def dct_matrix(size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Orthonormal DCT-II as a matrix (size, size): C[i, j] ~ cos(pi i (2 j + 1) / (2 size))."""
    index = torch.arange(size, dtype=torch.float64)
    matrix = torch.cos(torch.pi / size * index[:, None] * (index + 0.5))
    matrix *= math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix.to(device, dtype)


@lru_cache(maxsize=64)
@torch.inference_mode(False)
def eigenvalues(height: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Eigenvalues of `laplacian`: kappa_ij = 2 cos(pi i / H) + 2 cos(pi j / W) - 4, (H,W)."""
    rows, columns = (
        2 * torch.cos(torch.pi / n * torch.arange(n, dtype=torch.float64)) - 2
        for n in (height, width)
    )
    return (rows[:, None] + columns).to(device, dtype)


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Without autocast, TF32 and bfloat16, whose 8 to 11 bits could cost kelvins in the solve."""
    products = (torch.backends.cuda.matmul, torch.backends.mkldnn.matmul)  # type: ignore[attr-defined]
    before = [product.fp32_precision for product in products]
    try:
        for product in products:
            product.fp32_precision = "ieee"
        with torch.autocast(device.type, enabled=False):
            yield
    finally:
        for product, precision in zip(products, before, strict=True):
            product.fp32_precision = precision


class _Separable(torch.autograd.Function):
    """rows @ x @ columns^T at full precision, forward and backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
        ctx.save_for_backward(rows, columns)
        with full_precision(x.device):
            return rows @ x @ columns.T

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        rows, columns = ctx.saved_tensors
        with full_precision(rows.device):
            return rows.T @ gradients[0] @ columns, None, None


def dct2(x: Tensor) -> Tensor:
    """Orthonormal DCT-II over the last two axes."""
    return _Separable.apply(x, *(dct_matrix(n, x.dtype, x.device) for n in x.shape[-2:]))


def idct2(x: Tensor) -> Tensor:
    """Inverse of `dct2`."""
    return _Separable.apply(x, *(dct_matrix(n, x.dtype, x.device).T for n in x.shape[-2:]))


class _FivePoint(torch.autograd.Function):
    """5-point Laplacian, which is its own transpose."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        out = torch.zeros_like(x)
        for axis in (-2, -1):
            size = x.shape[axis] - 1
            step = x.diff(dim=axis)
            out.narrow(axis, 0, size).add_(step)
            out.narrow(axis, 1, size).sub_(step)
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _FivePoint.forward(ctx, gradients[0])


def laplacian(x: Tensor) -> Tensor:
    """5-point Laplacian with replicated border. `eigenvalues` are those of this operator."""
    return _FivePoint.apply(x)


def published_laplacian(x: Tensor) -> Tensor:
    """Laplacian of the published right-hand side, with reflected border.

    (sum of 8 neighbours - 8 centre) / 16. At low frequency it is 3/16 of `laplacian`, so the
    published solve is not a minimiser. Released weights need it.
    """
    channels = x.shape[1]
    kernel = torch.ones(3, 3, dtype=x.dtype, device=x.device)
    kernel[1, 1] = -8
    padded = F.pad(x, (1, 1, 1, 1), mode="reflect")
    return F.conv2d(padded, (kernel / 16).expand(channels, 1, 3, 3), groups=channels)


LAPLACIANS: dict[str, Callable[[Tensor], Tensor]] = {
    "consistent": laplacian,
    "published": published_laplacian,
}
"""Operators of the right-hand side, by name."""


def solve(rhs: Tensor, penalty: Tensor) -> Tensor:
    """Solve (I + lambda L^T L) x = rhs (N,C,H,W) with the 5-point L.

    ``penalty`` is lambda (C,1,1) in pixel^4: lambda^(1/4) is the smoothing length.
    """
    kappa = eigenvalues(*rhs.shape[-2:], rhs.dtype, rhs.device)
    return idct2(dct2(rhs) / (1 + penalty * kappa**2))


def guided_solve(
    lst: Tensor, reference: Tensor, weight: Tensor, penalty: Tensor, operators: str = "consistent"
) -> Tensor:
    """The minimiser of |x - D|^2 + lambda |L x - W o L R|^2, (N,C,H,W).

    ``lst`` is D, ``reference`` R and ``weight`` W, each (N,C,H,W); ``penalty`` as in `solve`, and
    ``operators`` is a key of `LAPLACIANS`. The result is float64 if D is, otherwise float32, also
    under autocast.
    """
    operator = LAPLACIANS[operators]
    dtype = torch.promote_types(lst.dtype, torch.float32)
    with full_precision(lst.device):
        d, r, w, lam = (x.to(dtype).contiguous() for x in (lst, reference, weight, penalty))
        return solve(d + lam * operator(w * operator(r)), lam)


class SmoothingLength(nn.Module):
    """lambda = ell^4 per channel, ell = softplus(theta) limited to ``longest_px`` pixels.

    The channels start evenly spaced in log ell, from 0.3 to ``start_px`` pixels. At 0.3 pixels
    lambda is 0.008, and the solve changes little.
    """

    def __init__(self, features: int, start_px: float, longest_px: float) -> None:
        super().__init__()
        self.longest_px = longest_px
        start = torch.logspace(math.log10(0.3), math.log10(start_px), features)
        self.theta = nn.Parameter(torch.log(torch.expm1(start)))

    def forward(self) -> Tensor:
        """Lambda (features,1,1) in pixel^4."""
        length_px = F.softplus(self.theta).clamp(max=self.longest_px)
        return (length_px**4)[:, None, None]
