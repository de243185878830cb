from collections.abc import Iterator

import pytest

from lstsr.transfer import retry
from lstsr.transfer.sources import Sources
from tests.catalogs.services import Services, serving_all, serving_bucket
from tests.transfer.conftest import VARIABLES


@pytest.fixture(scope="session")
def bucket() -> Iterator[str]:
    with serving_bucket() as root:
        yield root


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch, bucket: str) -> Iterator[Services]:
    """All services, to which the environment leads; none of the keys of whoever runs the tests."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.01)
    with serving_all(bucket) as found:
        for name, value in found.environment.items():
            monkeypatch.setenv(name, value)
        yield found


@pytest.fixture
def sources(services: Services) -> Sources:
    return Sources()
