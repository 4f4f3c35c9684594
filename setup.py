"""What pyproject.toml cannot say: the native part, built by cffi."""

from setuptools import setup

setup(cffi_modules=["vmdbg/engine/native/build.py:ffibuilder"])
