"""`--net`: what it takes, and what it says where it does not."""

from __future__ import annotations

import pytest

from devices.network.net import FarEnd, Net, NicModel
from vmdbg.errors import UserError
from vmdbg.host.nets import MOST_NETS, NetChoice, NetKind, nets_of, parse_net


def test_devices_are_counted_and_have_addresses_of_their_own():
    nets = nets_of([parse_net("none"), parse_net("none,mac=02-00-00-00-00-0A"), parse_net("none")])
    assert nets == (
        Net("net0", NicModel.VIRTIO, "52:54:00:12:34:56", FarEnd.NOBODY),
        Net("net1", NicModel.VIRTIO, "02:00:00:00:00:0a", FarEnd.NOBODY),
        Net("net2", NicModel.VIRTIO, "52:54:00:12:34:58", FarEnd.NOBODY),
    )


@pytest.mark.parametrize("model", NicModel)
def test_the_model_is_as_it_is_called(model):
    assert parse_net(f"none,model={model}") == NetChoice(NetKind.NONE, model)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is one of"),
        ("internet", "is one of"),
        ("none,model=ne2k", "model is one of virtio"),
        ("none,mac=1", "six bytes"),
        ("none,mac=ff:ff:ff:ff:ff:ff", "one station"),
        ("none,mtu=9000", "has no option 'mtu'"),
        ("none,model", "has no option 'model'"),
        ("none,model=virtio,model=virtio", "twice"),
        ("none,\x1b[31m=1", "has no option"),
    ],
)
def test_what_is_wrong_is_named(text, says):
    with pytest.raises(UserError, match=says) as caught:
        parse_net(text)
    assert "\x1b" not in str(caught.value)


def test_two_of_one_address_and_too_many_are_refused():
    with pytest.raises(UserError, match="two network devices have the address 52:54:00:12:34:57"):
        nets_of([parse_net("none,mac=52:54:00:12:34:57"), parse_net("none")])
    with pytest.raises(UserError, match="too many"):
        nets_of([parse_net("none")] * (MOST_NETS + 1))
