"""The types that Python sees of the native part are those of its headers, which cffi has read."""

from __future__ import annotations

import ast
from typing import Any

from tests.guests.build import REPOSITORY
from vmdbg.engine.native import _native

ffi, lib = _native.ffi, _native.lib
STUB = REPOSITORY / "vmdbg" / "engine" / "native" / "_native.pyi"
CLASSES = {node.name: node for node in ast.parse(STUB.read_text()).body if isinstance(node, ast.ClassDef)}
SHAPES = {"Pointer", "Numbers", "Rows", "Items", "Library"}
"""Classes of the stub that stand for no structure."""
UNITS = {"Tick", "CpuId"}
"""Integers whose meaning the stub tells."""
METHODS = {node.name: node for node in CLASSES["Library"].body if isinstance(node, ast.FunctionDef)}


def _fields(name: str) -> dict[str, str]:
    return {
        node.target.id: ast.unparse(node.annotation)
        for node in CLASSES[name].body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def _shape(ctype: Any) -> str:  # cffi's own, which has no types
    """How the stub writes a field of this type."""
    match ctype.kind:
        case "primitive":
            return "int"
        case "struct":
            return str(ctype.cname)
        case "array" | "pointer":
            inner = _shape(ctype.item)
            whole_struct = ctype.kind == "pointer" and inner == "VmCpu"
            return inner if whole_struct else {"int": "Numbers", "Numbers": "Rows"}.get(inner, f"Items[{inner}]")
        case kind:
            raise AssertionError(kind)


def test_structures_have_the_fields_of_the_headers() -> None:
    structures = CLASSES.keys() - SHAPES
    assert len(structures) > 7
    for name in structures:
        declared = dict(ffi.typeof(name).fields)
        for field, written in _fields(name).items():
            assert _shape(declared[field].type) == ("int" if written in UNITS else written), (name, field)


def test_values_that_are_passed_whole_are_known_whole() -> None:
    for name in ("Segment", "VmDelivery", "VmWatchpoint", "VmWatchHit", "VmCpuid", "VmState"):
        assert _fields(name).keys() == dict(ffi.typeof(name).fields).keys(), name


def test_functions_take_as_many_arguments_and_answer_as_the_headers_say() -> None:
    functions = {name for name in dir(lib) if callable(getattr(lib, name)) and not name.startswith("bus_")}
    assert METHODS.keys() == functions
    for name, method in METHODS.items():
        ctype = ffi.typeof(getattr(lib, name))
        assert len(method.args.args) - 1 == len(ctype.args), name
        answer = ast.unparse(method.returns) if method.returns else ""
        assert (answer == "None") == (ctype.result.kind == "void"), name
        assert (answer == "bool") == (ctype.result.cname == "_Bool"), name


def test_constants_are_those_of_the_library() -> None:
    constants = _fields("Library")
    assert len(constants) > 20
    assert all(isinstance(getattr(lib, name), int) for name in constants)
