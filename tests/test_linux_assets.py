import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests import linux_assets
from tests.linux_assets import AssetsMissingError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


def _initrd(extra: dict[str, bytes] | None = None) -> Path:
    try:
        return linux_assets.busybox_initrd(extra)
    except AssetsMissingError as error:
        pytest.skip(str(error))


def _entries(archive: bytes) -> dict[str, tuple[int, bytes]]:
    """Mode and contents by name, as initramfs reads them."""
    found, position = {}, 0
    while archive[position : position + 6] == b"070701":
        fields = [int(archive[position + 6 + 8 * index :][:8], 16) for index in range(13)]
        name_end = position + 110 + fields[11]
        data = -(-name_end // 4) * 4
        found[archive[position + 110 : name_end - 1].decode()] = (fields[1], archive[data : data + fields[6]])
        position = data + -(-fields[6] // 4) * 4
    assert position == len(archive)
    return found


def test_the_initrd_holds_init_busybox_and_what_was_added() -> None:
    entries = _entries(_initrd({"/opt/tool/run": b"\x7fELF"}).read_bytes())
    assert linux_assets.MARKER.encode() in entries["init"][1]
    assert stat.S_ISDIR(entries["opt"][0])
    assert stat.S_ISDIR(entries["opt/tool"][0])
    assert entries["opt/tool/run"] == (stat.S_IFREG | 0o755, b"\x7fELF")
    assert entries["bin/sh"] == (stat.S_IFLNK | 0o777, b"busybox")
    assert list(entries).index("opt") < list(entries).index("opt/tool/run")


def test_the_same_contents_give_the_same_file() -> None:
    first = _initrd({"a": b"1", "b": b"2"})
    assert first == _initrd({"b": b"2", "a": b"1"})
    assert first != _initrd({"a": b"1", "b": b"3"})


def test_every_applet_is_one_of_busybox() -> None:
    initrd = _entries(_initrd().read_bytes())
    path = linux_assets.cache_directory() / "busybox"
    path.write_bytes(initrd["bin/busybox"][1])
    path.chmod(0o755)
    known = subprocess.run([path, "--list"], capture_output=True, text=True, check=True).stdout.split()
    linked = {name.removeprefix("bin/") for name, (mode, _) in initrd.items() if stat.S_ISLNK(mode)}
    assert linked <= set(known)


def test_given_kernels_are_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VMDBG_TEST_KERNELS", str(tmp_path))
    with pytest.raises(AssetsMissingError, match="holds no vmlinuz"):
        linux_assets.cloud_kernel()
    for name in ("vmlinuz-6.1-cloud-amd64", "vmlinuz-6.1-amd64"):
        (tmp_path / name).touch()
    assert linux_assets.cloud_kernel().name == "vmlinuz-6.1-cloud-amd64"
    assert linux_assets.generic_kernel().name == "vmlinuz-6.1-amd64"


def test_without_apt_the_cache_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.devnull)
    monkeypatch.delenv("VMDBG_TEST_KERNELS", raising=False)
    linux_assets._depends.cache_clear()
    with pytest.raises(AssetsMissingError, match="apt-get update"):
        linux_assets.cloud_kernel()
    for version in ("6.1.0-9", "6.1.0-10"):
        package = tmp_path / "vmdbg-tests" / f"linux-image-{version}-cloud-amd64"
        package.mkdir(parents=True)
        (package / f"vmlinuz-{version}").touch()
    assert linux_assets.cloud_kernel().name == "vmlinuz-6.1.0-10"
    linux_assets._depends.cache_clear()
    linux_assets._vmlinuz.cache_clear()
