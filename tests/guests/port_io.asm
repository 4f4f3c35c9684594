; Port input and output: every width and form, string output, ports that nobody claims, IOPL and the I/O permission bitmap.
; Ends: test exit, 0.
%include "long.inc"
UNCLAIMED equ 2f0h
    mov al, 'a'
    out DEBUG_CONSOLE, al
    mov dx, DEBUG_CONSOLE
    mov al, 'b'
    out dx, al
    lea rsi, [text]
    mov ecx, 5
    rep outsb
    mov eax, 0
    mov dx, UNCLAIMED
    in al, dx
    say " in8="
    say_hex rax, 8
    in ax, dx
    say " in16="
    say_hex rax, 8
    in eax, dx
    say " in32="
    say_hex rax, 8
    mov rax, -1
    in eax, dx
    say " upper="
    shr rax, 32
    say_hex rax, 8
    mov edi, TEST_PAGES
    mov qword [rdi], 0
    mov qword [rdi + 8], 0
    mov ecx, 3
    rep insw
    say " ins="
    say_hex [TEST_PAGES], 16
    say 10
    mov word [TSS + 102], 104   ; bitmap behind the TSS proper; let it end in ones
    mov edi, TSS + 104
    mov ecx, 33
    mov al, 0ffh
    rep stosb
    mov byte [TSS + 104 + DEBUG_CONSOLE / 8], ~(1 << (DEBUG_CONSOLE & 7)) & 0ffh
    mov byte [gdt + TASK_STATE + 5], 89h
    mov word [gdt + TASK_STATE], 104 + 32
    mov eax, TASK_STATE
    ltr ax
    mov [ring0_rsp], rsp
    mov qword [ring0_continue], .after
    push qword USER_DATA
    push qword RING3_STACK
    push qword 2                ; IOPL 0
    push qword USER_CODE
    push qword user
    iretq
.after:
    say "done", 10
    finish 0
user:
    mov al, '3'
    out DEBUG_CONSOLE, al
    mov al, 10
    out DEBUG_CONSOLE, al
    provoke out DEBUG_CONSOLE, ax       ; needs two bits
    provoke in al, 60h
    mov dx, 200h
    provoke in al, dx           ; beyond the bitmap
    provoke sti
    int 81h
text: db "cdefg"
