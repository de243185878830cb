import pytest

from lstsr.errors import TransferError
from lstsr.transfer.guard import Guard


@pytest.mark.parametrize("peer", ["8.8.8.8", "2001:4860:4860::8888", "64:ff9b::808:808"])
def test_public_addresses_are_reachable(peer: str) -> None:
    Guard().check_peer("example.org", peer)


PRIVATE = (
    *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.0.1", "169.254.169.254", "0.0.0.0"),
    *("100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fd00::1", "fe80::1", "fec0::1"),
    *("::ffff:127.0.0.1", "::ffff:a9fe:a9fe", "::127.0.0.1", "2002:7f00:1::", "2002:a00:1::"),
    *("64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::808:808", "ff0e::1", "2001::1"),
)


@pytest.mark.parametrize("peer", [*PRIVATE, "fe80::1%eth0"])
def test_others_are_not_unless_named(monkeypatch: pytest.MonkeyPatch, peer: str) -> None:
    for guard in (Guard(), Guard(frozenset({"example.com", peer}))):
        with pytest.raises(TransferError, match="example.org is the private address"):
            guard.check_peer("example.org", peer)
    Guard(frozenset({"example.org"})).check_peer("Example.org.", peer)
    monkeypatch.setenv("LSTSR_ALLOW_HOSTS", "other.org, example.org.")
    Guard().check_peer("example.org", peer)


SPELT = (
    *("localhost", "LOCALHOST", "localhost.", "a.localhost", "127.1", "2130706433", "0x7f000001"),
    *("0177.0.0.1", "017700000001", "0x7f.0.0.1", "0", "0.0.0.0", "127.0.0.2.", "169.254.169.254."),
    *("0xA9FEA9FE", "10.1", "100.64.0.1"),
)


@pytest.mark.parametrize(
    "host", [*SPELT, *(f"[{ip}]" if ":" in ip else ip for ip in PRIVATE if ip != "127.0.0.1")]
)
def test_a_host_written_as_a_private_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    with pytest.raises(TransferError, match="is the private address .* LSTSR_ALLOW_HOSTS"):
        Guard().check(f"https://{host}/x", secret=False)
    name = host.strip("[]").lower()
    monkeypatch.setenv("LSTSR_ALLOW_HOSTS", name)
    assert Guard().check(f"https://{host}/x", secret=False) == name


@pytest.mark.parametrize(
    "host",
    [
        *("[fe80::1%25eth0]", "[::1%25lo]", "%31%32%37.0.0.1", "%6cocalhost", "127.0.0.08"),
        *("1.2.3.4.5", "example.0x", "\uff11\uff12\uff17.0.0.1", "\u24dbocalhost", "[:::]", "h:x"),
    ],
)
def test_a_host_that_can_be_read_in_two_ways_is_refused(host: str) -> None:
    with pytest.raises(TransferError, match="ambiguous|malformed"):
        Guard(frozenset({host})).check(f"https://{host}/x", secret=False)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://host/x", "//host", "https:///x", ""])
def test_only_http(url: str) -> None:
    with pytest.raises(TransferError, match="only http and https"):
        Guard().check(url, secret=False)


@pytest.mark.parametrize("url", ["https://a\\@b/", "https://a@b/", "https://a/ b", "https://a\tb/"])
def test_what_parsers_disagree_on_is_refused(url: str) -> None:
    with pytest.raises(TransferError, match="ambiguous"):
        Guard().check(url, secret=False)


def test_https_does_not_become_http() -> None:
    with pytest.raises(TransferError, match="redirect from https to plain http at b"):
        Guard().check("http://b/", secret=False, came_from="https://a/")
    assert Guard().check("https://b/", secret=False, came_from="http://a/") == "b"


def test_a_key_is_not_sent_in_plain_http() -> None:
    with pytest.raises(TransferError, match="plain http to example.org"):
        Guard().check("http://example.org/?key=1", secret=True)
    assert Guard().check("http://127.0.0.1/?key=1", secret=True) == "127.0.0.1"
