"""What pyproject.toml cannot say: the native part, built by cffi, the sample kernel, built by make, and what the page
for browsers has from npm.
"""

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


def build_samples(root: Path) -> None:
    """Build in a copy of the sources, so that the tree stays as it is."""
    for tool in ("make", "gcc", "ld"):
        if shutil.which(tool) is None:
            raise SystemExit(f"{tool} is missing: it builds the sample guest (on Debian: apt-get install gcc make)")
    with tempfile.TemporaryDirectory() as scratch:
        tree = Path(scratch) / "kernel"
        shutil.copytree(SAMPLE, tree, ignore=shutil.ignore_patterns("*.o", "*.elf"))
        subprocess.run(["make", "-s", "-j2", "-C", str(tree), *(target.name for target in TARGETS)], check=True)
        for target in TARGETS:
            (root / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(tree / target.name, root / target)


setup(
    cffi_modules=["vmdbg/engine/native/build.py:ffibuilder"],
    cmdclass={"build_py": BuildWithSample},
)
