"""Linux on a screen, here and in QEMU, whose pictures are the same dot by dot: vgacon, vesafb, bochs-drm and efifb."""

from __future__ import annotations

import json
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from devices.display.frame import Frame
from tests.guests.boot_media import isolinux_iso
from tests.guests.build import require
from tests.linux_assets import busybox_initrd, generic_kernel, generic_modules
from vmdbg.api.boot import launch

pytestmark = pytest.mark.slow
MODULES = ("drm.ko", "drm_kms_helper.ko", "ttm.ko", "drm_ttm_helper.ko", "drm_vram_helper.ko", "bochs.ko")
INIT = """#!/bin/busybox sh
b=/bin/busybox
$b mount -t proc proc /proc
$b mount -t devtmpfs dev /dev
for m in {modules}; do $b insmod /$m; done
t=/dev/tty0
printf '\\033[?25l\\033[H\\033[J' > $t
$b cat /proc/fb > $t
for n in 0 1 2 3 4 5 6 7; do
  printf "\\033[3${{n}}mcolour $n \\033[1mbright\\033[0m \\033[4${{n}}mbehind\\033[0m\\n" > $t
done
for n in $($b seq 60); do echo "line $n of many, which scroll" > $t; done
$b sleep 1
echo READY > /dev/ttyS0
$b sleep 100000
"""
GRUB = """serial --unit=0 --speed=115200
set gfxmode=800x600x32
insmod all_video
loadfont unicode
terminal_output gfxterm serial
set timeout=-1
set menu_color_normal=light-gray/blue
menuentry "Linux" { true }
menuentry "READY" { true }
"""
BY_UEFI = """search --no-floppy --set=root --file /vmlinuz
insmod all_video
set gfxpayload=keep
linux /vmlinuz quiet loglevel=0 console=tty0
initrd /initrd
boot
"""
OVMF = Path("/usr/share/ovmf/OVMF.fd")
PATIENCE = 120.0
LONGEST = 60_000_000_000


@pytest.mark.parametrize(
    ("append", "modules", "size"),
    [
        ("", (), (720, 400)),
        ("vga=0x317", (), (1024, 768)),
        ("vga=0x312", (), (640, 480)),
        ("", MODULES, (1280, 800)),
    ],
    ids=["vgacon", "vesafb of 16 bits", "vesafb of 24 bits", "bochs-drm"],
)
def test_a_console_of_linux(tmp_path: Path, append: str, modules: tuple[str, ...], size: tuple[int, int]) -> None:
    iso = tmp_path / "linux.iso"
    _make(iso, f"quiet loglevel=0 console=tty0 {append}", modules)
    ours, theirs = _ours(iso), _theirs(iso, tmp_path)
    assert (ours.width, ours.height) == (theirs.width, theirs.height) == size
    differing = sum(ours.row(y) != theirs.row(y) for y in range(ours.height))
    assert not differing, f"{differing} lines differ"


def test_a_menu_of_grub_in_graphics(tmp_path: Path) -> None:
    iso = tmp_path / "grub.iso"
    _make_grub(iso, {"boot/grub/grub.cfg": GRUB.encode()})
    ours, theirs = _ours(iso), _theirs(iso, tmp_path)
    assert (ours.width, ours.height) == (800, 600)
    assert len(set(zip(*[iter(ours.rgb)] * 3, strict=True))) >= 3
    assert ours == theirs


@pytest.mark.skipif(not OVMF.exists(), reason="needs OVMF: apt-get install ovmf")
def test_a_console_of_linux_behind_uefi(tmp_path: Path) -> None:
    """efifb has what the firmware has set."""
    iso = tmp_path / "efi.iso"
    linux = {"vmlinuz": generic_kernel(), "initrd": busybox_initrd({"init": INIT.format(modules="").encode()})}
    files = {name: path.read_bytes() for name, path in linux.items()}
    _make_grub(iso, {"boot/grub/grub.cfg": BY_UEFI.encode(), **files})
    ours, theirs = _ours(iso, bios=str(OVMF)), _theirs(iso, tmp_path, "-bios", str(OVMF))
    assert (ours.width, ours.height) == (800, 600)
    assert len(set(zip(*[iter(ours.rgb)] * 3, strict=True))) >= 2
    assert ours == theirs


def _make_grub(iso: Path, files: dict[str, bytes]) -> None:
    tree = iso.with_suffix(".tree")
    for name, data in files.items():
        path = tree / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    command = [require("grub-mkrescue"), "-o", str(iso), str(tree)]
    subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)


def _make(iso: Path, append: str, modules: tuple[str, ...]) -> None:
    files = {"init": INIT.format(modules=" ".join(modules)).encode(), **(generic_modules(*modules) if modules else {})}
    config = f"DEFAULT guest\nPROMPT 0\nLABEL guest\n  KERNEL /vmlinuz\n  INITRD /initrd\n  APPEND {append}\n"
    tree = {"vmlinuz": generic_kernel().read_bytes(), "initrd": busybox_initrd(files).read_bytes()}
    isolinux_iso(iso, {**tree, "isolinux/isolinux.cfg": config.encode()})


def _ours(iso: Path, bios: str | None = None) -> Frame:
    with launch(cdroms=[str(iso)], vga="std", memory="512M", bios=bios) as guest:
        guest.expect("READY", patience=LONGEST)
        guest.run(500_000_000)
        return guest.screen()


def _theirs(iso: Path, work: Path, *options: str) -> Frame:
    serial, monitor, picture = work / "serial", work / "monitor", work / "screen.ppm"
    command = [
        require("qemu-system-x86_64"),
        "-m",
        "512",
        "-display",
        "none",
        "-vga",
        "std",
        "-cdrom",
        str(iso),
        *options,
    ]
    command += ["-serial", f"file:{serial}", "-qmp", f"unix:{monitor},server,nowait", "-net", "none"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    try:
        _wait(serial)
        time.sleep(0.5)  # what comes after the word is not told of
        with socket.socket(socket.AF_UNIX) as end:
            end.settimeout(PATIENCE)
            end.connect(str(monitor))
            with end.makefile("rw") as lines:
                for name, arguments in (("qmp_capabilities", {}), ("screendump", {"filename": str(picture)})):
                    lines.write(json.dumps({"execute": name, "arguments": arguments}) + "\n")
                    lines.flush()
                    while "return" not in (answer := lines.readline()):
                        assert "error" not in answer, answer
    finally:
        process.kill()
        process.wait(PATIENCE)
    _, words, _, rgb = picture.read_bytes().split(b"\n", 3)
    width, height = map(int, words.split())
    return Frame(width, height, rgb)


def _wait(serial: Path) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with suppress(FileNotFoundError):
            if b"READY" in serial.read_bytes():
                return
        time.sleep(0.05)  # a file cannot be waited for
    pytest.fail("QEMU's guest did not come to its end")
