"""What is known of a guest without any command."""

from __future__ import annotations

from tests.vmdbg.gdb.guests import sample_guest
from vmdbg.session.known_guest import KnownGuest


def test_the_kernel_that_was_booted_names_its_own_code() -> None:
    with sample_guest() as guest:
        known = KnownGuest(guest.debugger, may_read=False)
        assert [file.path.name for file in known.sources.files] == ["guest"], "as its boot image is called"
        address = known.symbols.address_of("deposit")
        assert known.describe(address + 4) == "deposit+0x4"
        assert known.describe(1) == ""
        assert known.disassembler.decode(b"\x90", 0).mnemonic == "nop"
        line = known.sources.line_at(address)
        assert line is not None
        assert known.sources.text(line.file) is None, "files of the host are not for everybody"
        assert known.system.find() is None
