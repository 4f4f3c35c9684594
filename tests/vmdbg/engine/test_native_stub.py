"""The types that Python sees of the native part are those of its header."""

from __future__ import annotations

import ast
import re

from tests.guests.build import REPOSITORY
from vmdbg.engine.native import _native

NATIVE = REPOSITORY / "vmdbg" / "engine" / "native"
HEADER = (NATIVE / "interface.h").read_text()
CLASSES = {
    node.name: node for node in ast.parse((NATIVE / "_native.pyi").read_text()).body if isinstance(node, ast.ClassDef)
}


def _fields(name: str) -> set[str]:
    return {
        node.target.id
        for node in CLASSES[name].body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def test_structures_have_the_fields_of_the_header() -> None:
    structures = re.findall(r"typedef struct(?: Vm)? \{(.*?)\} (\w+);", HEADER, re.DOTALL)
    assert len(structures) > 7
    for body, name in structures:
        words = re.sub(r"\(\*(\w+)\)\(.*?\)", r"\1", body.replace("...;", ""))
        declared = set()
        for declaration in filter(str.strip, words.split(";")):
            _, *rest = declaration.split(None, 1)
            declared |= {re.sub(r"\[.*|\*", "", field).strip() for field in rest[0].split(",")}
        assert _fields(name) == declared, name


def test_functions_take_as_many_arguments() -> None:
    prototypes = HEADER[HEADER.index("extern VmCallbacks") : HEADER.index('extern "Python"')]
    counts = {
        name: 0 if words == "void" else words.count(",") + 1
        for name, words in re.findall(r"^[\w ]+?\*?(\w+)\((.*?)\);", prototypes, re.MULTILINE)
    }
    methods = [node for node in CLASSES["Library"].body if isinstance(node, ast.FunctionDef)]
    assert {method.name: len(method.args.args) - 1 for method in methods} == counts


def test_constants_and_functions_are_those_of_the_library() -> None:
    named = {node.name for node in CLASSES["Library"].body if isinstance(node, ast.FunctionDef)} | _fields("Library")
    assert all(hasattr(_native.lib, name) for name in named)
    assert set(re.findall(r"#define (\w+) \.\.\.", HEADER)) < named
