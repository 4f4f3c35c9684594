"""Every register of the stopped CPU by any of its names."""

from __future__ import annotations

from collections.abc import Iterator

from vmdbg.debugger.cpu import Cpu
from vmdbg.errors import UserError
from vmdbg.x86.mode import CpuMode
from vmdbg.x86.msr import BY_NAME as MSRS_BY_NAME
from vmdbg.x86.registers import ALIASES, SUB_REGISTERS, Register, find_register
from vmdbg.x86.registers import BY_NAME as REGISTERS_BY_NAME

_FIXED_MTRRS = tuple(name for name in MSRS_BY_NAME if name.startswith("mtrr_fix"))
_ENGINE_NAMES = {
    **{name: f"mtrr_fixed{index}" for index, name in enumerate(_FIXED_MTRRS)},
    **{f"mtrr_physbase{n}": f"mtrr_base{n}" for n in range(8)},
    **{f"mtrr_physmask{n}": f"mtrr_mask{n}" for n in range(8)},
}


class NoSuchRegisterError(UserError):
    """The CPU has no register of this name."""


class RegisterFile:
    """Reads and writes registers by the names of the SDM, of gdb and of the parts (`eax`, `ah`)."""

    def __init__(self, cpu: Cpu) -> None:
        self._cpu = cpu

    def __contains__(self, name: str) -> bool:
        word = name.lower()
        return word in SUB_REGISTERS or self._has(find_register(word)) or word in self._cpu.names

    def _has(self, register: Register | None) -> bool:
        return register is not None and (not register.optional or register.name in self._cpu.names)

    def names(self) -> Iterator[str]:
        yield from (name for name, register in REGISTERS_BY_NAME.items() if self._has(register))
        yield from SUB_REGISTERS
        yield from ALIASES

    def canonical(self, name: str) -> str:
        word = name.strip().lstrip("$%").lower()
        return ALIASES.get(word, word)

    def read(self, name: str) -> int:
        """The value, unsigned. Raises NoSuchRegisterError."""
        word = self.canonical(name)
        part = SUB_REGISTERS.get(word)
        if part is not None:
            return part.extract(self.read(part.parent))
        if word in self._cpu.names:
            return self._cpu.read(word)
        if word in _ENGINE_NAMES:
            return self._cpu.read(_ENGINE_NAMES[word])
        if word in MSRS_BY_NAME:
            return MSRS_BY_NAME[word].reset
        raise NoSuchRegisterError(f"there is no register {word!r}")

    @property
    def cpl(self) -> int:
        return self._cpu.ring

    @property
    def mode(self) -> CpuMode:
        return self._cpu.mode

    def writable_name(self, name: str) -> str:
        """The engine's name of a whole register that can be written. Raises UserError."""
        word = self.canonical(name)
        word = _ENGINE_NAMES.get(word, word)
        if word in self._cpu.names and not self._cpu.is_pseudo(word):
            return word
        if word in REGISTERS_BY_NAME:
            raise UserError(f"{word} cannot be written: it follows from other state or never changes")
        raise NoSuchRegisterError(f"there is no register {word!r}")

    def merged(self, name: str, value: int) -> tuple[str, int]:
        """The whole register and its value when `name`, perhaps a part of it, becomes `value`.

        Raises UserError for a value that does not fit.
        """
        word = self.canonical(name)
        part = SUB_REGISTERS.get(word)
        bits = part.bits if part is not None else self._bits(word)
        if not -(1 << bits - 1) <= value < 1 << bits:
            raise UserError(f"{value:#x} does not fit the {bits} bits of {word}")
        value &= (1 << bits) - 1
        if part is None:
            return self.writable_name(word), value
        whole = self.writable_name(part.parent)
        return whole, part.insert(self.read(whole), value)

    def _bits(self, word: str) -> int:
        register = REGISTERS_BY_NAME.get(word)
        return register.bits if register is not None else 64
