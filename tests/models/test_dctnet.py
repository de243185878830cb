"""The DCT solve against dense algebra, the published network against its fixtures."""

import numpy as np
import pytest
import torch
from torch import Tensor

from lstsr.errors import LstsrError
from lstsr.models.dctnet import (
    DCTNet,
    PublishedDCTNet,
    SemiCoupledConv,
    SmoothingLength,
    dct2,
    dct_matrix,
    eigenvalues,
    guided_solve,
    idct2,
    laplacian,
    load_published,
    published_laplacian,
    right_hand_side,
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


# Feature extraction


def test_semi_coupled_streams_have_half_of_their_kernels_in_common():
    conv = SemiCoupledConv(4, 6)
    x = random(1, 4, 8, 8, dtype=torch.float32)
    lst, reference = conv(x, x)
    torch.testing.assert_close(lst[:, :3], reference[:, :3])
    assert (lst[:, 3:] - reference[:, 3:]).abs().min(1).values.max() > 0
    other, same = conv(x + 1, x)
    assert (other - lst).abs().max() > 0
    torch.testing.assert_close(same, reference)


def test_full_coupling_leaves_nothing_private():
    conv = SemiCoupledConv(4, 6, shared=1.0)
    x = random(1, 4, 8, 8, dtype=torch.float32)
    torch.testing.assert_close(*conv(x, x))


# The published network


def test_published_network_has_the_published_size():
    assert sum(p.numel() for p in PublishedDCTNet().parameters()) == 480_545


@pytest.mark.real
@pytest.mark.parametrize(("dtype", "prefix"), [(torch.float32, "module."), (torch.float64, "")])
@pytest.mark.parametrize("name", ["dctnet_random_x4_64x64", "dctnet_random_x8_72x104"])
def test_published_network_reproduces_its_fixture(shared, name, dtype, prefix):
    """The fixture is of a run in double precision, its features stored in single precision.

    In double precision nothing but their storage differs; in single precision, where sums of
    features of size 10 are rounded in each processor's own order, no more than 1e-5 of that size.
    """
    exact = dtype == torch.float64
    close = {"rtol": 0, "atol": 1e-8 if exact else 1e-5}
    fixture = np.load(shared / "parity" / f"{name}.npz")
    weights = {
        prefix + k.removeprefix("w."): torch.from_numpy(fixture[k])
        for k in fixture.files
        if k.startswith("w.")
    }
    assert sum(v.numel() for v in weights.values()) == 482_865
    network = load_published(weights).to(dtype)
    upsampled = torch.from_numpy(fixture["lr_up"])[None, None].to(dtype)
    guide = torch.from_numpy(fixture["guide"])[None].to(dtype)
    with torch.no_grad():
        output = network(upsampled, guide)
        d, r = network.extraction(upsampled, guide)
        lam = network.theta[0].exp()
        w = network.attention(r)
        rhs = right_hand_side(d, r, w, lam, "published")
        z = solve(rhs, lam)
    np.testing.assert_allclose(output[0, 0], fixture["out"], **close)
    np.testing.assert_allclose(lam.flatten(), fixture["lam"], **close)
    for key, value in {
        "feat_depth": d,
        "feat_guide": r,
        "weight": w,
        "rhs": rhs,
        "z": z,
    }.items():
        channels = fixture[f"{key}_ch"]
        share = (1e-7 if exact else 1e-5) * np.abs(channels).max()
        np.testing.assert_allclose(value[0, :4], channels, rtol=0, atol=share)
        np.testing.assert_allclose(value[0].mean((1, 2)), fixture[f"{key}_mean"], **close)
        deviation = value[0].std((1, 2), correction=0)
        np.testing.assert_allclose(deviation, fixture[f"{key}_std"], **close)


@pytest.mark.real
def test_published_names_and_shapes_are_complete(shared):
    listing = (shared / "parity" / "dctnet_published_state_dict.txt").read_text().splitlines()
    shapes = {
        key: tuple(int(n) for n in shape.strip("()").split(",") if n.strip())
        for key, shape, _ in (line.split("\t") for line in listing)
    }
    weights = {key: torch.zeros(shape) for key, shape in shapes.items()}
    load_published(weights)
    weights.pop("module.lambd")
    with pytest.raises(LstsrError, match="state_dict: .*: theta is missing$"):
        load_published(weights)


def test_another_checkpoint_is_refused():
    with pytest.raises(LstsrError, match="state_dict: .*missing and 73 more$"):
        load_published({"conv1.weight": torch.zeros(1)})


# Our network


def test_the_guide_term_can_close():
    network = DCTNet(4, 1, features=8, layers=1)
    d, r, r2 = (random(1, 8, 16, 16, seed=i, dtype=torch.float32) for i in range(3))
    valid = torch.ones(1, 1, 16, 16)
    network.guided.gain.data.zero_()
    torch.testing.assert_close(network.guided(d, r, valid), network.guided(d, r2, valid))


def test_the_published_operators_can_be_had():
    torch.manual_seed(0)
    network = DCTNet(4, 1, features=8, layers=1)
    d, r = (random(1, 8, 16, 16, seed=i, dtype=torch.float32) for i in range(2))
    valid = torch.ones(1, 1, 16, 16)
    consistent = network.guided(d, r, valid)
    network.guided.operators = "published"
    assert (network.guided(d, r, valid) - consistent).abs().max() > 1e-3
