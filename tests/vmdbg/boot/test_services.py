from pathlib import Path

import pytest

import vmdbg.boot.services
from tests.vmdbg.boot import qemu
from tests.vmdbg.boot.builders import assemble, input_file
from vmdbg.boot.detect import boot_image
from vmdbg.boot.image import BootImage, BootOptions
from vmdbg.boot.services_code import CODE
from vmdbg.errors import UserError
from vmdbg.units import Physical

MIB = 1 << 20


def _sector(body: str) -> BootImage:
    """A boot sector that runs `body`, which can `call hex` to print AX."""
    code = assemble(
        f"""
        org 0x7c00
        {body}
        mov si, done
    .next:
        lodsb
        test al, al
        jz .end
        mov ah, 0x0e
        int 0x10
        jmp .next
    .end:
        mov dx, 0xf4
        out dx, al
        hlt
    hex:
        mov cx, 4
    .digit:
        rol ax, 4
        push ax
        and al, 15
        cmp al, 10
        sbb al, 0x69
        das
        mov ah, 0x0e
        int 0x10
        pop ax
        loop .digit
        ret
    done: db ' done', 0
        times 510 - ($ - $$) db 0
        dw 0xaa55
        """
    )
    return boot_image(BootOptions(16 * MIB, input_file(code)))


def test_the_code_is_what_its_source_assembles_to() -> None:
    source = Path(vmdbg.boot.services.__file__).with_suffix(".asm")
    assert assemble(source.read_text()) == CODE


@pytest.mark.parametrize(
    ("body", "printed"),
    [
        ("int 0x11\n call hex", "0822"),
        ("int 0x12\n call hex", "027F"),
        ("mov ah, 0x88\n int 0x15\n call hex", "3BFC"),
        ("mov ax, 0x2401\n int 0x15\n sbb ax, ax\n call hex", "0000"),
        ("mov ax, 0xec00\n int 0x15\n sbb bx, bx\n call hex\n mov ax, bx\n call hex", "8600FFFF"),
        ("mov ax, 0x0201\n int 0x13\n sbb bx, bx\n call hex\n mov ax, bx\n call hex", "0101FFFF"),
        ("mov ah, 1\n int 0x16\n mov ax, 1\n jz .none\n inc ax\n .none: call hex", "0001"),
        ("int 0x08\n int 0x70\n int 0x42", ""),
    ],
    ids=["equipment", "memory", "extended", "a20", "unknown", "disk", "no-key", "ignored"],
)
def test_a_service_answers(body: str, printed: str, tmp_path: Path) -> None:
    assert qemu.run(_sector(body), tmp_path, " done") == f"{printed} done"


def test_a_key_is_seen_before_it_is_read(tmp_path: Path) -> None:
    body = """
        mov al, '?'
        mov ah, 0x0e
        int 0x10
    .wait:
        mov ah, 1
        int 0x16
        jz .wait
        call hex
        mov ah, 0
        int 0x16
        call hex
    """
    out = qemu.run(_sector(body), tmp_path, "?", typed="A", then=" done")
    assert out == "?1E411E41 done"


def test_the_memory_map_can_be_walked(tmp_path: Path) -> None:
    body = """
        xor ebx, ebx
    .entry:
        mov di, 0x500
        mov eax, 0xe820
        mov ecx, 24
        mov edx, 0x534d4150
        int 0x15
        jc .last
        mov ax, [0x502]
        call hex
        mov ax, [0x500]
        call hex
        mov ax, [0x510]
        call hex
        test ebx, ebx
        jnz .entry
    .last:
    """
    image = _sector(body)
    expected = "".join(f"{entry.address:08X}{entry.type:04X}" for entry in image.e820)
    assert qemu.run(image, tmp_path, " done") == expected + " done"


def test_an_image_over_the_interrupt_vectors_is_refused() -> None:
    with pytest.raises(UserError, match="overlaps the interrupt vectors"):
        boot_image(BootOptions(16 * MIB, input_file(b"\xf4"), load_address=Physical(0x3FF)))
