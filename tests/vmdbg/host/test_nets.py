"""`--net`: what it takes, and what it says where it does not."""

from __future__ import annotations

import pytest

from devices.network.net import FarEnd, Net, NicModel
from devices.network.quiet.options import Quiet, QuietHost
from vmdbg.errors import UserError
from vmdbg.host.nets import (
    MOST_NETS,
    NetChoice,
    NetKind,
    give_net_folders,
    make_backend,
    nets_of,
    open_nets,
    parse_net,
)
from vmdbg.machine.answers import folder_of
from vmdbg.machine.media import Media
from vmdbg.recording.bounds import _nets


def test_devices_are_counted_and_have_addresses_of_their_own():
    nets = nets_of([parse_net("none"), parse_net("none,mac=02-00-00-00-00-0A"), parse_net("none")])
    assert nets == (
        Net("net0", NicModel.VIRTIO, "52:54:00:12:34:56", FarEnd.NOBODY),
        Net("net1", NicModel.VIRTIO, "02:00:00:00:00:0a", FarEnd.NOBODY),
        Net("net2", NicModel.VIRTIO, "52:54:00:12:34:58", FarEnd.NOBODY),
    )


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("user,model=virtio-tso", True),
        ("user", False),
        ("user,model=e1000", False),
        ("quiet,model=virtio-tso", False),
        ("socket:listen:0,model=virtio-tso", False),
        ("tap:tap0,model=virtio-tso", False),
    ],
)
def test_segments_stay_whole_between_a_device_that_cuts_them_and_libslirp(text, whole):
    (net,) = nets_of([parse_net(text)])
    assert net.whole_segments == whole
    assert dict(_nets_claims(net))["network device's segments"]


def _nets_claims(net):
    return [(name, fine) for name, _, fine in _nets((net,))]


def test_who_goes_on_with_uncut_segments_needs_who_takes_them():
    for text in ("tap:tap0", "socket:listen:0"):
        with pytest.raises(UserError, match="net3 of the guest that goes on sends TCP's segments uncut"):
            make_backend(parse_net(text), 3, lambda: 0, whole_segments=True)
    assert make_backend(parse_net("none"), 0, lambda: 0, whole_segments=True) is None
    wrong = Net("net0", NicModel.E1000, "52:54:00:12:34:56", FarEnd.OUTSIDE, whole_segments=True)
    assert not dict(_nets_claims(wrong))["network device's segments"]


@pytest.mark.parametrize("model", NicModel)
def test_the_model_is_as_it_is_called(model):
    assert parse_net(f"none,model={model}") == NetChoice(NetKind.NONE, model=model)


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
        ("user:x", "is one of"),
        ("tap", "is one of"),
        ("tap:", "no name of an interface"),
        ("tap:a/b", "no name of an interface"),
        ("tap:" + "x" * 16, "no name of an interface"),
        ("socket:x", "listen"),
        ("socket:listen:x", "no address"),
        ("socket:connect:127.0.0.1:0", "needs the port"),
        ("user,restrict=maybe", "restrict is on"),
        ("user,hostfwd=22", "hostfwd is as"),
        ("user,folder=.", "has no option 'folder'"),
        ("quiet,folder=", "names no folder"),
        ("quiet,boot=x", "give folder=DIR too"),
        ("quiet,folder=.,boot=" + "x" * 200, "at most 127"),
        ("quiet,host=a", "no IPv4 address"),
        ("quiet,host=a=1.2.3", "no IPv4 address"),
        ("quiet,host=a=1.2.3.256", "no IPv4 address"),
        ("quiet,host=a b=1.2.3.4", "no name of a host"),
        ("none,folder=.", "has no option 'folder'"),
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


def test_a_quiet_network_has_its_hosts_and_a_folder(tmp_path):
    (tmp_path / "a,b").mkdir()
    text = f"quiet,folder={tmp_path}/a,,b,boot=x.ipxe,host=a.test=192.0.2.1,host=b.test=192.0.2.2"
    media = Media()
    (net,) = open_nets([parse_net(text)], media)
    hosts = (QuietHost("a.test", "192.0.2.1"), QuietHost("b.test", "192.0.2.2"))
    assert net.quiet == Quiet("10.0.2", folder=True, boot="x.ipxe", hosts=hosts)
    assert media.folders["net0-peer"].source is not None
    media.close()
    with pytest.raises(UserError, match="No such"):
        open_nets([parse_net(f"quiet,folder={tmp_path}/none")], Media())


def test_a_guest_that_goes_on_is_given_the_folders_that_it_has(tmp_path):
    nets = nets_of([parse_net("quiet"), parse_net(f"quiet,folder={tmp_path}")])
    folders = {folder.name: folder for folder in map(folder_of, nets) if folder is not None}
    give_net_folders([parse_net("none"), parse_net(f"quiet,folder={tmp_path}")], nets, folders)
    assert folders["net1-peer"].source is not None
    folders["net1-peer"].close()
    with pytest.raises(UserError, match="net0 of the guest that goes on has no folder"):
        give_net_folders([parse_net(f"quiet,folder={tmp_path}")], nets, folders)
    with pytest.raises(UserError, match="has 2 network devices"):
        give_net_folders([parse_net("none")] * 3, nets, folders)


@pytest.mark.parametrize(
    "text", ["user,hostfwd=tcp::1-:2,hostfwd=udp::1-:2,restrict=on", "socket:listen:0", "socket:connect:9", "tap:t0"]
)
def test_who_leads_to_the_host_is_outside(text):
    (net,) = nets_of([parse_net(text)])
    assert net.far is FarEnd.OUTSIDE
    assert parse_net(text).leads_to_host


def test_what_is_inside_does_not_lead_to_the_host():
    assert not any(parse_net(text).leads_to_host for text in ("quiet", "none", "lab"))
