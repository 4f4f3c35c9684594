"""What pyproject.toml cannot say: the native part, built by cffi, the sample kernel, built by make, and what the page
for browsers has from npm.
"""

import platform
import shutil
import subprocess
import tempfile
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

SAMPLE = Path("samples/kernel")
PAGE = Path("vmdbg/web/page")
TARGETS = (Path("vmdbg/samples/sample.elf"), Path("vmdbg/samples/sample-smp.elf"))


class BuildWithSample(build_py):
    """Puts the sample kernels into the package."""

    def run(self) -> None:
        build_page()
        super().run()
        build_samples(Path() if self.editable_mode else Path(self.build_lib))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        return [*super().get_outputs(include_bytecode), *(str(Path(self.build_lib) / target) for target in TARGETS)]


def build_page() -> None:
    """Without npm the package lacks that view, and says so where it is asked for."""
    if not (PAGE / "vendor" / "LICENSE").exists():
        subprocess.run(["packaging/web-vendor", str(PAGE)], check=False)


def sample_tools() -> list[str]:
    """What builds programs for x86-64 here, as make's variables."""
    prefixes = [""] if platform.machine() in ("x86_64", "AMD64") and platform.system() == "Linux" else []
    for prefix in (*prefixes, "x86_64-linux-gnu-", "x86_64-elf-"):
        if all(map(shutil.which, ("make", prefix + "gcc", prefix + "ld"))):
            return [f"CC={prefix}gcc", f"LD={prefix}ld"]
    raise SystemExit(
        "make, or a gcc and an ld for x86-64, are missing: they build the sample guest "
        "(Debian: apt-get install gcc make, on other processors gcc-x86-64-linux-gnu; brew install x86_64-elf-gcc)"
    )


def build_samples(root: Path) -> None:
    """Build in a copy of the sources, so that the tree stays as it is."""
    tools = sample_tools()
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "kernel"
        shutil.copytree(SAMPLE, tree, ignore=shutil.ignore_patterns("*.o", "*.elf"))
        targets = [target.name for target in TARGETS]
        subprocess.run(["make", "-s", "-j2", "-C", str(tree), *tools, *targets], check=True)
        for target in TARGETS:
            (root / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(tree / target.name, root / target)


setup(
    cffi_modules=["vmdbg/engine/native/build.py:ffibuilder"],
    cmdclass={"build_py": BuildWithSample},
    options={"bdist_wheel": {"py_limited_api": "cp311"}},  # cffi's code uses the stable interface alone
)
