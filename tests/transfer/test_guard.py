import pytest

from lstsr.errors import TransferError
from lstsr.transfer.guard import Guard


@pytest.mark.parametrize("peer", ["8.8.8.8", "2001:4860:4860::8888", "64:ff9b::808:808"])
def test_public_addresses_are_reachable(peer: str) -> None:
    assert Guard().reachable("example.org", peer)


@pytest.mark.parametrize(
    "peer",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "0.0.0.0"),
        *("100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1%eth0", "fd00::1"),
        *("::ffff:127.0.0.1", "2002:7f00:1::", "ff0e::1"),
    ],
)
def test_others_are_not_unless_named(monkeypatch: pytest.MonkeyPatch, peer: str) -> None:
    assert not Guard().reachable("example.org", peer)
    assert not Guard(frozenset({"example.com"})).reachable("example.org", peer)
    assert Guard(frozenset({"example.org"})).reachable("Example.org", peer)
    monkeypatch.setenv("LSTSR_ALLOW_HOSTS", "other.org, example.org")
    assert Guard().reachable("example.org", peer)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "//host", "https:///x", ""])
def test_only_http(url: str) -> None:
    with pytest.raises(TransferError, match="only http and https"):
        Guard().check(url, secret=False)


@pytest.mark.parametrize("url", ["https://a\\@b/", "https://a@b/", "https://a/ b", "https://a\tb/"])
def test_what_parsers_disagree_on_is_refused(url: str) -> None:
    with pytest.raises(TransferError, match="read in two ways"):
        Guard().check(url, secret=False)


def test_https_does_not_become_http() -> None:
    with pytest.raises(TransferError, match="from https to plain http at b; refused"):
        Guard().check("http://b/", secret=False, came_from="https://a/")
    assert Guard().check("https://b/", secret=False, came_from="http://a/") == "b"


def test_a_key_is_not_sent_in_plain_http() -> None:
    with pytest.raises(TransferError, match="plain http to example.org"):
        Guard().check("http://example.org/?key=1", secret=True)
    assert Guard().check("http://127.0.0.1/?key=1", secret=True) == "127.0.0.1"
