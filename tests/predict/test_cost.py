"""Parameters and multiply-accumulates against a count by hand and against torch's own counter."""

import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lstsr.predict.cost import SAMPLE, macs_per_pixel, parameter_count
from lstsr.registry import build

SCALE, BANDS, WIDTH = 4, 2, 6


class Stack(nn.Module):
    """One convolution on the coarse grid, two on the fine one."""

    def __init__(self) -> None:
        super().__init__()
        self.coarse = nn.Conv2d(1, WIDTH, 3, padding=1)
        self.fine = nn.Conv2d(WIDTH + BANDS, WIDTH, 5, padding=2)
        self.last = nn.Conv2d(WIDTH, 1, 1, bias=False)
        self.frozen = nn.Parameter(torch.zeros(100), requires_grad=False)

    def forward(self, coarse: Tensor, reference: Tensor, *masks: Tensor) -> Tensor:
        assert masks[0].shape == coarse.shape
        assert masks[1].shape[-2:] == reference.shape[-2:]
        up = F.interpolate(self.coarse(coarse), scale_factor=SCALE)
        last: Tensor = self.last(F.relu(self.fine(torch.cat([up, reference], 1))))
        return last


def test_a_stack_of_convolutions() -> None:
    network = Stack()
    by_hand = (9 * WIDTH + WIDTH) + (25 * (WIDTH + BANDS) * WIDTH + WIDTH) + WIDTH + 100
    assert parameter_count(network) == by_hand
    macs = 9 * WIDTH / SCALE**2 + 25 * (WIDTH + BANDS) * WIDTH + WIDTH
    assert macs_per_pixel(network, SCALE, BANDS) == pytest.approx(macs, abs=0.051)


def test_interpolation_costs_no_parameters() -> None:
    network = build("bilinear", SCALE, BANDS)
    assert parameter_count(network) == 0
    assert macs_per_pixel(network, SCALE, BANDS) == 0


@pytest.mark.parametrize("model", ["local-linear", "srcnn", "dctnet", "dctrrdbnet"])
def test_torch_counts_the_same(model: str) -> None:
    network = build(model, SCALE, BANDS)
    coarse = torch.zeros(1, 1, SAMPLE, SAMPLE)
    reference = torch.zeros(1, BANDS, SAMPLE * SCALE, SAMPLE * SCALE)
    masks = torch.ones_like(coarse), torch.ones_like(reference[:, :1])
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(coarse, reference, *masks)
    macs = counter.get_total_flops() / 2 / (SAMPLE * SCALE) ** 2
    assert macs_per_pixel(network, SCALE, BANDS) == pytest.approx(macs, abs=0.051)


def test_counting_does_not_load_the_compiler() -> None:
    # Loading it was two fifths of a bilinear row's prediction.
    program = (
        "import sys\n"
        "from lstsr.predict.cost import macs_per_pixel\n"
        "from lstsr.registry import build\n"
        "macs_per_pixel(build('bilinear', 4, 2), 4, 2)\n"
        "sys.exit('torch._dynamo' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
