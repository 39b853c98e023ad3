import pytest

from pushplatform.webpush.address import is_loopback, is_public


@pytest.mark.parametrize(
    "address", ["142.250.186.106", "1.1.1.1", "2a00:1450:4001:829::200a", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_a_public_address_may_be_called(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.0.0.1",
        "172.16.5.5",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "192.0.2.1",
        "::",
        "::1",
        "fe80::1",
        "fe80::1%eth0",
        "fd00::1",
        "fec0::1",
        "ff02::1",
        "2001:db8::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::7f00:1",
        "64:ff9b::a00:1",
        "64:ff9b::7f00:1",
        "2002:a00:1::1",
        "2002:7f00:1::",
        "2001:0:5ef5:79fd::f5ff:fffe",
        "",
        "fcm.googleapis.com",
    ],
)
def test_an_address_that_is_not_public_or_carries_one_that_is_not_may_not_be_called(address: str) -> None:
    assert not is_public(address)


def test_the_addresses_of_this_machine_are_known() -> None:
    assert is_loopback("127.0.0.1")
    assert is_loopback("127.8.9.1")
    assert is_loopback("::1")
    assert not is_loopback("10.0.0.1")
    assert not is_loopback("nonsense")
