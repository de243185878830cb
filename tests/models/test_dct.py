"""The DCT solve against dense algebra."""

import numpy as np
import pytest
import torch
from torch import Tensor

from lstsr.models.dct import (
    SmoothingLength,
    dct2,
    dct_matrix,
    eigenvalues,
    guided_solve,
    idct2,
    laplacian,
    published_laplacian,
    solve,
)

HEIGHT, WIDTH, CHANNELS = 12, 20, 3


def random(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape)).to(dtype)


def dense(operator, height: int = HEIGHT, width: int = WIDTH) -> Tensor:
    """The matrix of a linear operator on (1,1,H,W), one column per unit image."""
    units = torch.eye(height * width, dtype=torch.float64).reshape(-1, 1, height, width)
    return operator(units).reshape(height * width, -1).T


# Transform and operators


def test_dct_is_orthonormal_and_idct_inverts_it():
    matrix = dct_matrix(WIDTH, torch.float64, torch.device("cpu"))
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(WIDTH, dtype=torch.float64))
    x = random(2, CHANNELS, HEIGHT, WIDTH)
    torch.testing.assert_close(idct2(dct2(x)), x, atol=1e-13, rtol=0)


def test_laplacian_is_the_five_point_matrix_and_its_own_transpose():
    def second_difference(size: int) -> Tensor:
        step = torch.eye(size, dtype=torch.float64).diff(dim=0)
        return -step.T @ step

    rows = torch.kron(second_difference(HEIGHT), torch.eye(WIDTH, dtype=torch.float64))
    columns = torch.kron(torch.eye(HEIGHT, dtype=torch.float64), second_difference(WIDTH))
    matrix = dense(laplacian)
    torch.testing.assert_close(matrix, rows + columns)
    torch.testing.assert_close(matrix, matrix.T)


def test_laplacian_is_diagonal_in_the_dct_basis():
    x = random(1, 1, HEIGHT, WIDTH)
    kappa = eigenvalues(HEIGHT, WIDTH, x.dtype, x.device)
    torch.testing.assert_close(dct2(laplacian(x)), kappa * dct2(x), atol=1e-12, rtol=0)


@pytest.mark.real
def test_operators_agree_with_the_published_fixture(shared):
    fixture = np.load(shared / "parity" / "dct_ops.npz")
    x = torch.from_numpy(fixture["x"])
    height, width = x.shape[-2:]
    # Unnormalised is 2 sum x cos per axis: orthonormal times sqrt(2 n), and sqrt(2) more at DC.
    rows, columns = (torch.full((n,), (2 * n) ** 0.5, dtype=x.dtype) for n in (height, width))
    rows[0], columns[0] = 2 * height**0.5, 2 * width**0.5
    np.testing.assert_allclose(dct2(x), fixture["dct2_ortho"], atol=1e-13)
    np.testing.assert_allclose(
        dct2(x) * rows[:, None] * columns, fixture["dct2"], rtol=1e-12, atol=1e-12
    )
    np.testing.assert_allclose(
        eigenvalues(height, width, x.dtype, x.device), fixture["kappa"], atol=1e-6
    )
    np.testing.assert_allclose(published_laplacian(x), fixture["lap"], atol=1e-14)


# The solve


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-9), (torch.float32, 1e-5)])
@pytest.mark.parametrize(("height", "width"), [(12, 20), (13, 9)])
def test_solve_agrees_with_a_dense_solver(dtype, tolerance, height, width):
    d, r = random(1, CHANNELS, height, width), random(1, CHANNELS, height, width, seed=1)
    weight = random(1, CHANNELS, height, width, seed=2).sigmoid()
    penalty = torch.tensor([0.01, 1.0, 16.0], dtype=torch.float64)[:, None, None]
    x = guided_solve(*(v.to(dtype) for v in (d, r, weight, penalty)))
    assert x.dtype == dtype
    matrix = dense(laplacian, height, width)
    identity = torch.eye(height * width, dtype=torch.float64)
    for channel, lam in enumerate(penalty.flatten()):
        edges = weight[0, channel].flatten() * (matrix @ r[0, channel].flatten())
        truth = torch.linalg.solve(
            identity + lam * matrix.T @ matrix, d[0, channel].flatten() + lam * matrix.T @ edges
        )
        torch.testing.assert_close(
            x[0, channel].flatten().double(), truth, atol=tolerance, rtol=tolerance
        )


def test_solution_is_the_minimum_of_the_energy():
    d, r = random(1, 1, HEIGHT, WIDTH), random(1, 1, HEIGHT, WIDTH, seed=1)
    weight, lam = random(1, 1, HEIGHT, WIDTH, seed=2).sigmoid(), torch.full((1, 1, 1), 5.0).double()
    x = guided_solve(d, r, weight, lam).requires_grad_()
    energy = (x - d).square().sum() + (lam * (laplacian(x) - weight * laplacian(r)).square()).sum()
    assert torch.autograd.grad(energy, x)[0].abs().max() < 1e-11


def test_no_penalty_changes_nothing_and_constants_stay():
    d, r = random(1, 1, HEIGHT, WIDTH), random(1, 1, HEIGHT, WIDTH, seed=1)
    one = torch.ones_like(d)
    torch.testing.assert_close(guided_solve(d, r, one, torch.zeros(1, 1, 1).double()), d)
    lam = torch.full((1, 1, 1), 4096.0).double()
    torch.testing.assert_close(guided_solve(3 * one, 7 * one, one, lam), 3 * one)


def test_an_open_gate_carries_over_the_detail_of_the_reference():
    r = random(1, 1, HEIGHT, WIDTH)
    lam = torch.full((1, 1, 1), 1e8).double()
    x = guided_solve(torch.zeros_like(r), r, torch.ones_like(r), lam)
    torch.testing.assert_close(x, r - r.mean(), atol=1e-3, rtol=0)


def test_gradients():
    arguments = [random(1, 2, 5, 6, seed=i).requires_grad_() for i in range(3)]
    penalty = torch.tensor([0.5, 3.0]).double()[:, None, None].requires_grad_()
    assert torch.autograd.gradcheck(guided_solve, (*arguments, penalty))


@pytest.fixture
def low_precision():
    """Products of float32 in TF32 or bfloat16, as a user may ask for them."""
    products = torch.backends.cuda.matmul, torch.backends.mkldnn.matmul
    before = [product.fp32_precision for product in products]
    products[0].fp32_precision, products[1].fp32_precision = "tf32", "bf16"
    yield products
    for product, precision in zip(products, before, strict=True):
        product.fp32_precision = precision


def test_autocast_and_matmul_settings_leave_the_solve_in_float32(low_precision):
    d, r, w = (random(1, 2, 64, 64, seed=i, dtype=torch.float32).sigmoid() for i in range(3))
    lam = torch.tensor([1.0, 16.0])[:, None, None]

    def run() -> tuple[Tensor, Tensor]:
        leaf = (300 * d).requires_grad_()
        x = guided_solve(leaf, r, w, lam)
        x.square().mean().backward()
        return x.detach(), leaf.grad

    with torch.autocast("cpu", torch.bfloat16):
        under = run()
        assert guided_solve(*(v.bfloat16() for v in (d, r, w)), lam).dtype == torch.float32
    assert [product.fp32_precision for product in low_precision] == ["tf32", "bf16"]
    low_precision[1].fp32_precision = "ieee"
    for value, truth in zip(under, run(), strict=True):
        torch.testing.assert_close(value, truth, rtol=0, atol=0)


def test_a_size_first_seen_in_inference_can_be_trained():
    x = random(1, 1, 17, 23)
    with torch.inference_mode():
        solve(x, torch.ones(1, 1, 1).double())
    leaf = x.requires_grad_()
    solve(leaf, torch.ones(1, 1, 1).double()).sum().backward()
    torch.testing.assert_close(leaf.grad, torch.ones_like(leaf))


@pytest.mark.parametrize("scale", [4, 8, 16])
def test_smoothing_lengths_start_between_a_third_of_a_pixel_and_half_a_cell(scale):
    module = SmoothingLength(32, scale / 2, 2 * scale).double()
    length = module().detach().flatten() ** 0.25
    assert length[0] == pytest.approx(0.3, rel=1e-5)
    assert length[-1] == pytest.approx(scale / 2, rel=1e-5)
    steps = length.log().diff()
    torch.testing.assert_close(steps, steps.mean().expand(31), rtol=1e-3, atol=0)
    module.theta.data += 100
    assert (module() <= (2 * scale) ** 4).all()
