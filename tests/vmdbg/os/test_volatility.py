"""The table for volatility3 says of types and symbols what the kernel's own tables say."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

import pytest

from tests.vmdbg.os.conftest import Guest
from vmdbg.os.linux.volatility import volatility_symbols


def test_sizes_offsets_and_addresses_are_the_kernels(guest: Guest) -> None:
    kernel = guest.linux.kernel
    made = json.loads(volatility_symbols(kernel))
    assert made["metadata"]["format"] == "6.2.0"
    named = sorted(name for name in made["user_types"] if not name.startswith("unnamed_"))
    chosen = ["task_struct", "file", "vm_area_struct", *random.Random(3).sample(named, 150)]
    for name in chosen:
        table = made["user_types"][name]
        type_ = kernel.type(f"{table['kind']} {name}")
        assert table["size"] == type_.size
        for member in type_.members:
            if member.name and not member.bits:
                assert table["fields"][member.name]["offset"] * 8 == member.bit_offset, f"{name}.{member.name}"
    for name in ("init_task", "vfs_read", "linux_banner"):
        assert made["symbols"][name]["address"] == kernel.symbol(name)
    assert made["symbols"]["init_task"]["type"] == {"kind": "struct", "name": "task_struct"}
    banner = base64.b64decode(made["symbols"]["linux_banner"]["constant_data"])
    assert banner.startswith(b"Linux version ")


@pytest.fixture(scope="module")
def made(cloud_guest: Guest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(volatility_symbols(cloud_guest.linux.kernel))
    return found


def test_every_type_that_is_named_is_there(made: dict[str, Any]) -> None:
    tables = {"struct": "user_types", "union": "user_types", "enum": "enums", "base": "base_types"}

    def names(value: object) -> None:
        if isinstance(value, dict):
            kind, name = value.get("kind"), value.get("name")
            if kind in tables and isinstance(name, str):
                assert name in made[tables[kind]], value
            for inner in value.values():
                names(inner)

    for table in made["user_types"].values():
        for field in table["fields"].values():
            names(field["type"])


@pytest.mark.parametrize("path", ["sched_reset_on_fork", "in_execve"])
def test_bit_fields_lie_in_the_unit_of_their_type(cloud_guest: Guest, made: dict[str, Any], path: str) -> None:
    kernel = cloud_guest.linux.kernel
    field = made["user_types"]["task_struct"]["fields"][path]
    member = next(one for one in kernel.type("struct task_struct").members if one.name == path)
    assert field["offset"] * 8 + field["type"]["bit_position"] == member.bit_offset
    assert field["type"]["bit_length"] == member.bits == 1
    assert 0 <= field["type"]["bit_position"] < 32
