"""Linux guests for tests and benchmarks: Debian's own kernels, and an initrd around Debian's busybox.

Kernels are downloaded with `apt-get download` and unpacked without root into a cache: `.cache/` in the source
tree, or `$XDG_CACHE_HOME/vmdbg-tests`. `VMDBG_TEST_KERNELS=DIR` names a directory with vmlinuz files to use
instead.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from samples.debian_disk import CannotBuildError
from samples.debian_disk import debian_disk as build_debian_disk

MARKER = "GUEST UP"
"""What the initrd prints once user space runs."""
PROMPT = "~ # "
"""What the shell prints when it waits for a command."""

_INIT = f"""#!/bin/sh
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
export HOME=/ PS1='{PROMPT}' TERM=vt100
cd /
echo "{MARKER}"
[ -x /autorun ] && /autorun
while :; do setsid cttyhack sh; done
"""

_APPLETS = """
    awk base64 cat chmod cp cttyhack cut date dd df dmesg du echo env expr false find free grep gunzip
    gzip halt head hexdump hostname id ip kill ln ls md5sum mkdir mknod mktemp more mount mv nproc od ping
    poweroff printf ps pwd reboot rm sed seq setsid sh sha256sum sleep sort stty sync tail tar tee test
    time timeout top touch tr true umount uname uniq uptime vi wc which xargs xxd yes
""".split()  # noqa: SIM905 - seventy words read better than seventy strings
_CLOUD_PACKAGE = r"^linux-image-[0-9]+\.[0-9]+\.[0-9].*-cloud-amd64$"


class AssetsMissingError(Exception):
    """A guest that a test needs is not there and cannot be had. Says what to do."""


def cloud_kernel() -> Path:
    """The vmlinuz of the current linux-image-cloud-amd64."""
    return _kernel("linux-image-cloud-amd64")


def generic_kernel() -> Path:
    """The vmlinuz of the current linux-image-amd64."""
    return _kernel("linux-image-amd64")


def pae_kernel() -> Path:
    """Debian's kernel for 32-bit CPUs with PAE, which is of another architecture than this machine has packages of."""
    cached = sorted(cache_directory().glob("linux-image-[0-9]*-686-pae"), key=lambda path: _version(path.name))
    if cached:
        return next(cached[-1].glob("vmlinuz-*"))
    return _vmlinuz(_depends("linux-image-686-pae", *_i386()), *_i386())


def busybox_initrd_32bit() -> Path:
    """busybox_initrd() for pae_kernel()."""
    path = cache_directory() / "busybox-i386"
    if not path.exists():
        with _unpacked("busybox-static", *_i386()) as root:
            _write(path, next(root.glob("**/bin/busybox")).read_bytes())
    return _initrd(path.read_bytes(), {})


@cache
def _i386() -> tuple[str, ...]:
    """What has apt look for packages of i386, in lists of its own: those of the machine stay as they are."""
    state = cache_directory() / "apt-i386"
    options = {
        "APT::Architecture": "i386",
        "APT::Architectures::": "i386",
        "Dir::State::lists": state / "lists",
        "Dir::Cache": state / "cache",
        "Dir::State::status": "/dev/null",
    }
    words = tuple(word for name, value in options.items() for word in ("-o", f"{name}={value}"))
    if not (state / "lists").exists():
        for place in ("lists/partial", "cache/archives/partial"):
            (state / place).mkdir(parents=True, exist_ok=True)
        with suppress(AssetsMissingError):  # of some lists; what is missing then is missed below
            _run("apt-get", *words, "update")
    return words


def cloud_debug_vmlinux() -> Path:
    """The vmlinux of cloud_kernel() with debug information: some 280 MB to download, 600 MB in the cache."""
    kernel = cloud_kernel()
    release = kernel.name.removeprefix("vmlinuz-")
    path = cache_directory() / f"linux-image-{release}-dbg" / f"vmlinux-{release}"
    if not path.exists():
        with _downloaded(f"linux-image-{release}-dbg") as deb:
            name = f"./usr/lib/debug/boot/{path.name}"
            with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", str(deb)], stdout=subprocess.PIPE) as files:
                subprocess.run(["tar", "-x", "-C", deb.parent, name], stdin=files.stdout, check=False)
            if files.returncode or not (deb.parent / name).exists():
                raise AssetsMissingError(f"package {deb.name} holds no {name}")
            path.parent.mkdir(exist_ok=True)
            os.rename(deb.parent / name, path)
    return path


def cloud_modules(*names: str) -> dict[str, bytes]:
    """Modules of cloud_kernel() by file name, as `zram.ko`."""
    return _modules(cloud_kernel().parent.name, names)


def generic_modules(*names: str) -> dict[str, bytes]:
    """Modules of generic_kernel(), likewise."""
    return _modules(generic_kernel().parent.name, names)


def _modules(package: str, names: tuple[str, ...]) -> dict[str, bytes]:
    directory = cache_directory() / f"{package}-modules"
    if not all((directory / name).exists() for name in names):
        directory.mkdir(exist_ok=True)
        with _unpacked(package) as root:
            for name in names:
                found = next(root.glob(f"**/modules/**/{name}"), None)
                if found is None:
                    raise AssetsMissingError(f"package {package} has no module {name}")
                _write(directory / name, found.read_bytes())
    return {name: (directory / name).read_bytes() for name in names}


def other_kernels() -> dict[str, Path]:
    """Download other cloud kernels that apt offers, by package: the oldest and the newest of each series."""
    lines = _run("apt-cache", "search", "--names-only", _CLOUD_PACKAGE).splitlines()
    series: dict[tuple[int, ...], list[str]] = {}
    for name in sorted((line.split(" ")[0] for line in lines), key=_version):
        series.setdefault(_version(name)[:2], []).append(name)
    ends = {name for names in series.values() for name in (names[0], names[-1])}
    wanted = ends - {_depends("linux-image-cloud-amd64")}
    return {name: _vmlinuz(name) for name in sorted(wanted, key=_version)}


def busybox_initrd(extra: Mapping[str, bytes] | None = None) -> Path:
    """An initrd whose /init prints MARKER and runs a shell on the console.

    `extra` adds executable files by path. A file `autorun` is run before the shell. The same contents give
    the same bytes.
    """
    return _initrd(_busybox(), extra or {})


def _initrd(busybox: bytes, extra: Mapping[str, bytes]) -> Path:
    files = {"bin/busybox": busybox, "init": _INIT.encode()} | {path.lstrip("/"): data for path, data in extra.items()}
    links = {f"bin/{name}": "busybox" for name in _APPLETS}
    archive = b"".join(_newc(files, links))
    path = cache_directory() / f"initrd-{hashlib.sha256(archive).hexdigest()[:16]}.cpio"
    if not path.exists():
        _write(path, archive)
    return path


def debian_disk() -> Path:
    """A disk with Debian, a login on COM1, and GRUB for BIOS and UEFI; root's password is root."""
    try:
        return build_debian_disk(cache_directory())
    except CannotBuildError as error:
        raise AssetsMissingError(str(error)) from None


def _newc(files: Mapping[str, bytes], links: Mapping[str, str]) -> Iterator[bytes]:
    """A cpio archive, "new ASCII" (Linux, Documentation/driver-api/early-userspace/buffer-format.rst)."""
    directories = {"dev", "proc", "sys", "tmp", "root"}
    for path in [*files, *links]:
        directories |= {str(parent) for parent in Path(path).parents} - {"."}
    entries = [(path, 0o040755, b"", (0, 0)) for path in sorted(directories)]
    entries.append(("dev/console", 0o020600, b"", (5, 1)))
    entries += [(path, 0o100755, data, (0, 0)) for path, data in sorted(files.items())]
    entries += [(path, 0o120777, target.encode(), (0, 0)) for path, target in sorted(links.items())]
    entries.append(("TRAILER!!!", 0, b"", (0, 0)))
    for inode, (path, mode, data, device) in enumerate(entries, 1):
        name = path.encode() + b"\0"
        numbers = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0)
        header = b"070701" + b"".join(b"%08X" % number for number in numbers) + name
        yield header + bytes(-len(header) % 4) + data + bytes(-len(data) % 4)


def _kernel(meta_package: str) -> Path:
    given = os.environ.get("VMDBG_TEST_KERNELS")
    if given:
        found = sorted(
            path for path in Path(given).glob("vmlinuz-*") if ("cloud" in path.name) == ("cloud" in meta_package)
        )
        if not found:
            raise AssetsMissingError(f"VMDBG_TEST_KERNELS={given} holds no vmlinuz of {meta_package}")
        return found[-1]
    cached = _cached(meta_package)
    try:
        return _vmlinuz(_depends(meta_package))
    except AssetsMissingError:
        if cached:
            return _vmlinuz(cached[-1])
        raise


@cache
def _depends(meta_package: str, *options: str) -> str:
    """The package that a meta-package stands for now."""
    if shutil.which("apt-cache"):
        found = re.findall(r"Depends: (linux-image-[0-9]\S*)", _run("apt-cache", *options, "depends", meta_package))
        if found:
            return str(found[0])
    raise AssetsMissingError(f"apt knows no package {meta_package}: run `apt-get update` on a Debian machine")


def _cached(meta_package: str) -> list[str]:
    """The packages in the cache of that flavour, the newest last: they serve when the machine is offline."""
    flavour = meta_package.removeprefix("linux-image")
    names = [path.name for path in cache_directory().glob(f"linux-image-[0-9]*{flavour}")]
    return sorted((name for name in names if ("cloud" in name) == ("cloud" in flavour)), key=_version)


@cache
def _vmlinuz(package: str, *options: str) -> Path:
    directory = cache_directory() / package
    if not directory.exists():
        _download(package, directory, *options)
    found = sorted(directory.glob("vmlinuz-*"))
    if not found:
        raise AssetsMissingError(f"{directory} holds no vmlinuz: delete it and run again")
    return found[-1]


def _download(package: str, directory: Path, *options: str) -> None:
    """Fetch a package and keep its /boot, all or nothing."""
    with _unpacked(package, *options) as root:
        try:
            os.rename(root / "boot", directory)
        except OSError as error:
            if not directory.exists():
                raise AssetsMissingError(f"package {package} holds no usable /boot: {error}") from None


@contextmanager
def _unpacked(package: str, *options: str) -> Iterator[Path]:
    """The files of a package, which are gone afterwards; `options` of apt."""
    with _downloaded(package, *options) as deb:
        _run("dpkg-deb", "-x", str(deb), f"{deb.parent}/root")
        yield deb.parent / "root"


@contextmanager
def _downloaded(package: str, *options: str) -> Iterator[Path]:
    """A package's file, alone in a directory of the cache that is gone afterwards."""
    for tool in ("apt-get", "dpkg-deb"):
        if not shutil.which(tool):
            raise AssetsMissingError(f"{tool} is missing: kernels are taken from Debian packages")
    with tempfile.TemporaryDirectory(dir=cache_directory()) as work:
        _run("apt-get", *options, "download", package, directory=work)
        yield next(Path(work).glob("*.deb"))


@cache
def packaged(package: str, name: str) -> Path:
    """A file of a Debian package, by its path there, from the cache or the archive."""
    kept = cache_directory() / "packaged" / package / Path(name).name
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        with _unpacked(package) as root:
            if not (root / name).is_file():
                raise AssetsMissingError(f"package {package} has no {name}")
            _write(kept, (root / name).read_bytes())
    return kept


@cache
def _busybox() -> bytes:
    """Debian's static busybox: the one installed, or the package's."""
    for path in (Path("/bin/busybox"), cache_directory() / "busybox"):
        if path.exists() and _is_static(path.read_bytes()):
            return path.read_bytes()
    with _unpacked("busybox-static") as root:
        found = next(path for path in root.rglob("busybox") if path.is_file() and not path.is_symlink())
        _write(cache_directory() / "busybox", found.read_bytes())
    return (cache_directory() / "busybox").read_bytes()


def _is_static(data: bytes) -> bool:
    return data[:4] == b"\x7fELF" and b"/ld-linux" not in data[:4096]


def cache_directory() -> Path:
    given = os.environ.get("XDG_CACHE_HOME")
    path = Path(given) / "vmdbg-tests" if given else Path(__file__).resolve().parent.parent / ".cache"
    path.mkdir(parents=True, exist_ok=True)
    return path


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all: several test processes may share the cache."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(data)
    os.rename(file.name, path)


def _run(*command: str, directory: str | None = None) -> str:
    try:
        done = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=300, check=True)
    except subprocess.CalledProcessError as error:
        reason = error.stderr.strip().splitlines()[-1:] or [f"exit code {error.returncode}"]
        raise AssetsMissingError(f"`{' '.join(command)}` failed: {reason[0]}. Is the machine offline?") from None
    except subprocess.TimeoutExpired:
        raise AssetsMissingError(f"`{' '.join(command)}` took more than five minutes") from None
    return done.stdout


def _version(package: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", package.split("-amd64")[0]))


def build_module(name: str, source: str, flags: str = "") -> bytes:
    """The `.ko` of a module's C source, built for cloud_kernel() with debug information against Debian's headers."""
    release = cloud_kernel().name.removeprefix("vmlinuz-")
    key = hashlib.sha256("\0".join((release, name, source, flags)).encode()).hexdigest()[:16]
    kept = cache_directory() / f"{name}-{key}.ko"
    if not kept.exists():
        tree = _kernel_tree(release)
        for tool in ("gcc", "make"):
            if not shutil.which(tool):
                raise AssetsMissingError(f"{tool} is missing: modules are built with it")
        with tempfile.TemporaryDirectory(dir=cache_directory()) as work:
            Path(work, f"{name}.c").write_text(source)
            Path(work, "Kbuild").write_text(f"obj-m := {name}.o\nccflags-y := -g {flags}\n")
            _run("make", "-s", "-C", str(tree), f"M={work}", "modules", f"CC={shutil.which('gcc')}")
            _write(kept, Path(work, f"{name}.ko").read_bytes())
    return kept.read_bytes()


def _kernel_tree(release: str) -> Path:
    """Debian's headers and the programs that build modules, with their links made to lead to one another."""
    top = cache_directory() / f"linux-headers-{release}"
    tree = top / "usr" / "src" / f"linux-headers-{release}"
    if not top.exists():
        with tempfile.TemporaryDirectory(dir=cache_directory()) as work:
            common = re.sub(r"-(cloud-)?amd64$", "-common", release)
            build = f"linux-kbuild-{'.'.join(release.split('.')[:2])}"
            _run("apt-get", "download", f"linux-headers-{release}", f"linux-headers-{common}", build, directory=work)
            for deb in Path(work).glob("*.deb"):
                _run("dpkg-deb", "-x", str(deb), f"{work}/root")
            with suppress(OSError):  # another process of the suite was first
                os.rename(f"{work}/root", top)
        sources = top / "usr" / "src"
        (tree / "Makefile").write_text(f"include {sources}/linux-headers-{common}/Makefile\n")
    return tree
