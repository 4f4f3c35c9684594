"""A Debian disk as users have it: systemd, ssh, a login on the serial port, GRUB for BIOS and for UEFI.

One GPT with a BIOS boot partition, an EFI system partition and a root of ext4; both of Debian's kernels. It is built
without a loop device and without a virtual machine, in some two minutes, once. Needs root on Debian, and the packages
of TOOLS. root's password is `root`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

MIB = 1 << 20
SECTOR = 512
SIZE = 2048 * MIB
CORE_SECTOR = 2048
"""Of the BIOS boot partition."""
ESP_SECTOR, ESP_SIZE = 4096, 64 * MIB
ROOT_SECTOR = ESP_SECTOR + ESP_SIZE // SECTOR
ROOT_SIZE = SIZE - ROOT_SECTOR * SECTOR - MIB
ROOT_UUID = str(uuid.uuid5(uuid.NAMESPACE_DNS, "root.vmdbg.invalid"))

CODE_SIZE = 440
"""Of a boot sector, before the disk's signature (UEFI 2.10, table 5.1)."""
KERNEL_SECTOR = 0x5C
"""Where boot.img has the sector of core.img (GRUB, grub-core/boot/i386/pc/boot.S)."""
BLOCK_LIST = SECTOR - 12
"""Where core.img has the sector at which the rest of it begins (diskboot.S)."""

PACKAGES = (
    "systemd-sysv",
    "dbus",
    "udev",
    "initramfs-tools",
    "linux-image-amd64",
    "linux-image-cloud-amd64",
    "openssh-server",
    "ifupdown",
    "isc-dhcp-client",
)
GRUB_MODULES = (
    *("part_gpt", "ext2", "normal", "linux", "gzio", "search", "search_fs_uuid"),
    *("serial", "terminal", "configfile", "test", "echo", "halt", "reboot"),
)
TOOLS = {
    "mmdebstrap": "mmdebstrap",
    "mke2fs": "e2fsprogs",
    "sfdisk": "fdisk",
    "mkfs.vfat": "dosfstools",
    "mcopy": "mtools",
    "grub-mkimage": "grub-common",
}
GRUB_FILES = {
    Path("/usr/lib/grub/i386-pc/boot.img"): "grub-pc-bin",
    Path("/usr/lib/grub/x86_64-efi/normal.mod"): "grub-efi-amd64-bin",
}
PARTITIONS = f"""label: gpt
start={CORE_SECTOR}, size={ESP_SECTOR - CORE_SECTOR}, type=21686148-6449-6E6F-744E-656564454649
start={ESP_SECTOR}, size={ESP_SIZE // SECTOR}, type=U
start={ROOT_SECTOR}, size={ROOT_SIZE // SECTOR}, type=L
"""
EARLY = f"search --no-floppy --fs-uuid --set=root {ROOT_UUID}\nset prefix=($root)/boot/grub\n"
MENU = """if [ "$grub_platform" = pc ]; then
  serial --unit=0 --speed=115200
  terminal_input serial console
  terminal_output serial console
fi
set timeout=1
set default=0
"""
ENTRY = """menuentry 'Debian, {release}' {{
  linux /boot/vmlinuz-{release} root=UUID={uuid} ro console=tty0 console=ttyS0,115200
  initrd /boot/initrd.img-{release}
}}
"""

Say = Callable[[str], None]


class CannotBuildError(Exception):
    """The disk cannot be built here. Says what to do."""


def debian_disk(cache: Path, say: Say = lambda _line: None) -> Path:
    """The image, in the directory `cache`; it is built if it is not there. Raises CannotBuildError."""
    cache.mkdir(parents=True, exist_ok=True)
    key = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()[:12]
    image = cache / f"debian-{key}.img"
    with (cache / "debian-disk.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not image.exists():
            _check_tools()
            with tempfile.TemporaryDirectory(dir=cache) as work:
                made = _Builder(Path(work), say).build()
                os.rename(made, image)
    return image


def _check_tools() -> None:
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    missing = {package for tool, package in TOOLS.items() if shutil.which(tool, path=path) is None}
    missing |= {package for file, package in GRUB_FILES.items() if not file.exists()}
    if missing:
        raise CannotBuildError(f"a Debian disk needs: apt-get install {' '.join(sorted(missing))}")
    if os.geteuid() != 0:
        raise CannotBuildError("a Debian disk is built by root, who alone may own its files")


class _Builder:
    def __init__(self, work: Path, say: Say) -> None:
        self._work = work
        self._say = say
        self._root = work / "root"
        self._image = work / "disk.img"

    def build(self) -> Path:
        self._say("unpacking Debian's packages, some 250 MB to fetch")
        self._bootstrap()
        self._say("making file systems")
        self._write_menu()
        with self._image.open("wb") as image:
            image.truncate(SIZE)
        self._run("sfdisk", "-q", self._image, given=PARTITIONS)
        self._make_root()
        self._say("installing GRUB")
        self._install_for_bios()
        self._install_for_uefi()
        return self._image

    def _bootstrap(self) -> None:
        fstab = f"UUID={ROOT_UUID} / ext4 errors=remount-ro 0 1"
        hooks = (
            "echo debian > $1/etc/hostname",
            "echo 127.0.0.1 localhost debian > $1/etc/hosts",
            f"echo {fstab} > $1/etc/fstab",
            "echo root:root | chroot $1 chpasswd",
            "printf 'auto lo\\niface lo inet loopback\\n' > $1/etc/network/interfaces",
            "rm -rf $1/var/cache/apt/archives/*.deb $1/var/lib/apt/lists/*",
        )
        options = [f"--customize-hook={hook}" for hook in hooks]
        self._run(
            "mmdebstrap",
            "--quiet",
            "--mode=root",
            "--variant=important",
            "--skip=check/qemu",
            f"--include={','.join(PACKAGES)}",
            '--aptopt=Acquire::Languages "none"',
            "--dpkgopt=path-exclude=/usr/share/doc/*",
            "--dpkgopt=path-exclude=/usr/share/locale/*",
            "--essential-hook=mkdir -p $1/etc/initramfs-tools/conf.d",
            "--essential-hook=echo MODULES=most > $1/etc/initramfs-tools/conf.d/most",
            *options,
            _release(),
            self._root,
            _sources(),
        )

    def _write_menu(self) -> None:
        releases = sorted(
            (path.name.removeprefix("vmlinuz-") for path in (self._root / "boot").glob("vmlinuz-*")), key=len
        )
        entries = "".join(ENTRY.format(release=release, uuid=ROOT_UUID) for release in releases)
        menu = self._root / "boot" / "grub" / "grub.cfg"
        menu.parent.mkdir(exist_ok=True)
        menu.write_text(MENU + entries)
        (self._work / "early.cfg").write_text(EARLY)

    def _make_root(self) -> None:
        blocks = ROOT_SIZE // 4096
        place = f"offset={ROOT_SECTOR * SECTOR},root_owner=0:0"
        options = ("-q", "-F", "-t", "ext4", "-b", 4096, "-U", ROOT_UUID, "-L", "root", "-d", self._root, "-E", place)
        self._run("mke2fs", *options, self._image, blocks)

    def _install_for_bios(self) -> None:
        core = bytearray(self._grub("i386-pc", "core.img", "biosdisk"))
        core[BLOCK_LIST : BLOCK_LIST + 8] = (CORE_SECTOR + 1).to_bytes(8, "little")
        if len(core) > (ESP_SECTOR - CORE_SECTOR) * SECTOR:
            raise CannotBuildError(f"GRUB of {len(core)} bytes does not fit its partition")
        boot = bytearray(next(iter(GRUB_FILES)).read_bytes()[:CODE_SIZE])
        boot[KERNEL_SECTOR : KERNEL_SECTOR + 8] = CORE_SECTOR.to_bytes(8, "little")
        self._put(0, boot)
        self._put(CORE_SECTOR, core)

    def _install_for_uefi(self) -> None:
        self._grub("x86_64-efi", "BOOTX64.EFI", "fat")
        system = self._work / "esp.img"
        with system.open("wb") as file:
            file.truncate(ESP_SIZE)
        self._run("mkfs.vfat", "-F", 32, system)
        self._run("mmd", "-i", system, "::/EFI", "::/EFI/BOOT")
        self._run("mcopy", "-i", system, self._work / "BOOTX64.EFI", "::/EFI/BOOT/BOOTX64.EFI")
        self._put(ESP_SECTOR, system.read_bytes())

    def _grub(self, platform: str, name: str, *modules: str) -> bytes:
        made = self._work / name
        early = self._work / "early.cfg"
        options = ("-O", platform, "-o", made, "-c", early, "-p", "/boot/grub")
        self._run("grub-mkimage", *options, *modules, *GRUB_MODULES)
        return made.read_bytes()

    def _put(self, sector: int, data: bytes | bytearray) -> None:
        with self._image.open("r+b") as image:
            image.seek(sector * SECTOR)
            image.write(data)

    def _run(self, *command: object, given: str | None = None) -> None:
        environment = os.environ | {"PATH": os.environ.get("PATH", "") + ":/usr/sbin:/sbin"}
        words = [str(word) for word in command]
        done = subprocess.run(words, input=given, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            reason = (done.stderr or done.stdout).strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            raise CannotBuildError(f"`{words[0]}` failed: {reason[0]}")


def _release() -> str:
    """Of the Debian that this is, whose packages it knows where to get."""
    lines = Path("/etc/os-release").read_text().splitlines()
    settings = dict(line.split("=", 1) for line in lines if "=" in line)
    if settings.get("ID") != "debian":
        raise CannotBuildError("a Debian disk is built on Debian, out of the packages that it has")
    return settings["VERSION_CODENAME"].strip('"')


def _sources() -> Path:
    """Where this machine gets its packages."""
    return next(path for path in _source_files() if path.is_file() and path.stat().st_size)


def _source_files() -> Iterable[Path]:
    directory = Path("/etc/apt/sources.list.d")
    yield from sorted(directory.glob("*.sources"))
    yield from sorted(directory.glob("*.list"))
    yield Path("/etc/apt/sources.list")
    raise CannotBuildError("apt has no sources on this machine")


if __name__ == "__main__":
    try:
        print(debian_disk(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(), print))
    except CannotBuildError as error:
        sys.exit(f"debian_disk: {error}")
