import os
from pathlib import Path

import pytest

from lstsr.errors import LstsrError, TransferError
from lstsr.transfer.credentials import Key, basic

KEY = Key("Service", "KMA_API_KEY", "host.org", "get one there", "half of it works")


@pytest.fixture
def netrc() -> Path:
    path = Path(os.environ["NETRC"])
    path.write_text("machine host.org login me password hush\ndefault login a password b\n")
    path.chmod(0o600)
    return path


def test_a_missing_key_says_where_to_get_it_and_what_works_without() -> None:
    with pytest.raises(TransferError) as fault:
        KEY.read()
    assert str(fault.value) == (
        "Service needs a key: set KMA_API_KEY, or the password of machine host.org in ~/.netrc; "
        "get one there; without it, half of it works"
    )


def test_the_environment_comes_before_netrc(netrc: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert KEY.read() == "hush"
    monkeypatch.setenv("KMA_API_KEY", "first")
    assert KEY.read() == "first"


def test_a_login_goes_to_its_machine_only(netrc: Path) -> None:
    assert basic("host.org") == ("Authorization: Basic bWU6aHVzaA==",)
    assert basic("other.org") == basic("default") == ()


def test_hosts_have_no_case(netrc: Path) -> None:
    netrc.write_text("machine Host.ORG login me password hush\n")
    assert basic("host.org") == basic("HOST.org") == ("Authorization: Basic bWU6aHVzaA==",)
    assert KEY.read() == "hush"


def test_a_faulty_file_is_not_quoted(netrc: Path) -> None:
    netrc.write_text("machine host.org pass hush\n")
    with pytest.raises(LstsrError, match="cannot be read as netrc") as fault:
        basic("host.org")
    assert "hush" not in str(fault.value)
