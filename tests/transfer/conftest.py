from collections.abc import Iterator

import pytest

from lstsr.transfer import retry
from tests.transfer.server import Server, serving

VARIABLES = (
    ("LSTSR_CACHE", "LSTSR_ENDPOINTS", "PC_SDK_SAS_URL", "PC_SDK_SUBSCRIPTION_KEY")
    + ("KMA_API_KEY", "NOSC_API_KEY")
    + ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    + ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
)


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory):
    """No key, proxy or cache of whoever runs the tests; the loopback address is allowed."""
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path_factory.mktemp("home") / "netrc"))
    monkeypatch.setenv("LSTSR_ALLOW_HOSTS", "127.0.0.1")
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.01)


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as state:
        yield state
