"""Booting from the network: SeaBIOS runs iPXE, which loads a kernel by TFTP from the quiet network."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import vmdbg
from devices.network.net import FarEnd, Net, NicModel
from devices.network.quiet.options import Quiet
from devices.pci.config_space import EXPANSION_ROM
from tests.devices.pci.test_option_rom import rom
from vmdbg.boot.installed_firmware import network_rom
from vmdbg.engine.unicorn import UnicornEngine
from vmdbg.errors import UserError
from vmdbg.host.nets import nets_of, parse_net
from vmdbg.host.sample import sample_path
from vmdbg.machine.boot_paths import boot_paths
from vmdbg.machine.config import Chipset, MachineConfig, parse_boot_order
from vmdbg.machine.machine import Machine


def machine(*nets: Net) -> Machine:
    return Machine(MachineConfig(memory=1 << 20, chipset=Chipset.I440FX, nets=nets), UnicornEngine)


def test_the_network_device_has_the_option_rom_that_is_its() -> None:
    made = machine(Net("net0", NicModel.VIRTIO, "52:54:00:12:34:56", FarEnd.NOBODY, rom=rom()))
    function = next(function for place, name, function in made.pc.pci.placed() if name == "net0")
    function.write_config(EXPANSION_ROM, 4, 0xFEB0_0001)
    function.write_config(4, 2, 2)
    read = made.pc.memory.read
    assert [read(0xFEB0_0000 + at, 1, 0) for at in (0, 1)] == [0x55, 0xAA]
    assert read(0xFEB0_0044, 4, 0) == 0x1041_1AF4
    made.close()


def test_firmware_is_told_of_the_network_where_it_is_named() -> None:
    made = machine(Net("net0", NicModel.VIRTIO, "52:54:00:12:34:56", FarEnd.QUIET, Quiet()))
    nets, pci, devices = made.config.nets, made.pc.pci, made.pc.devices
    place = next(place for place, name, _ in pci.placed() if name == "net0")
    path = f"/pci@i0cf8/ethernet@{place.device:x}"
    assert boot_paths((), parse_boot_order("network,disk"), pci, devices, nets) == (path,)
    assert boot_paths((), parse_boot_order("disk"), pci, devices, nets) == ()
    made.close()


def test_pxe_is_on_where_there_is_a_file_to_boot(tmp_path: Path) -> None:
    assert parse_net(f"quiet,folder={tmp_path},boot=x").boots
    assert not parse_net(f"quiet,folder={tmp_path}").boots
    assert parse_net("user,pxe=on").boots
    assert not parse_net(f"quiet,folder={tmp_path},boot=x,pxe=off").boots
    with pytest.raises(UserError, match="pxe is on"):
        parse_net("none,pxe=maybe")


def test_without_ipxe_the_package_is_named() -> None:
    with pytest.raises(UserError, match="rom, which is not installed"):
        network_rom("virtio", ["/none"])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_ipxe_boots_the_sample_and_a_replay_does_the_same(tmp_path: Path) -> None:
    try:
        nets_of([parse_net("none,pxe=on")])
    except UserError as error:
        pytest.skip(str(error))
    folder, recording = tmp_path / "tftp", tmp_path / "it.vmdbg"
    folder.mkdir()
    shutil.copy(sample_path(), folder / "sample.elf")
    net = f"quiet,folder={folder},boot=sample.elf"
    with vmdbg.launch(nets=[net], record=recording) as guest:
        guest.expect("vmdbg sample")
        end, wanted = guest.position, guest.digest()
    shutil.rmtree(folder)
    with vmdbg.open_recording(recording) as guest:
        guest.seek(end)
        assert guest.digest() == wanted
