import pytest

from lstsr.simulate.sample import world_grid
from lstsr.simulate.world import World, world_of
from tests.simulate.worlds import FOOTPRINT, TIME


@pytest.fixture(scope="session")
def world() -> World:
    return world_of(world_grid(FOOTPRINT), 3, TIME, 2023)
