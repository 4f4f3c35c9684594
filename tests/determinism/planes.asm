; Does with a VGA what the script at SCRIPT says, in records of four dwords: what, and three operands. What is read is
; noted in what the digest sees. The first pages of video memory are at LINEAR, too. At org 100000h, as long.inc says.
%include "long.inc"

SCRIPT equ 300000h
LINEAR equ WINDOW
BAR0 equ 0e0000000h
FUNCTION equ 80001000h          ; 00:02.0

%macro note 0
    rol qword [seen], 7
    add [seen], rax
%endmacro
%macro configure 2              ; register, value
    mov eax, FUNCTION | %1
    mov dx, 0cf8h
    out dx, eax
    mov eax, %2
    mov dx, 0cfch
    out dx, eax
%endmacro

    configure 10h, BAR0
    configure 04h, 2
%assign page 0
%rep 64
    map_window page, (BAR0 + page * 1000h) | P | W
%assign page page + 1
%endrep
    set_handler 1, on_debug
    mov r12d, SCRIPT
next:
    mov eax, [r12]
    mov ecx, [r12 + 4]
    mov edx, [r12 + 8]
    mov r8d, [r12 + 12]
    add r12, 16
    jmp [steps + rax * 8]

    align 8
steps: dq end, out8, out16, in8, in16, load8, load16, load32, load64, store8, store16, store32, store64
       dq exchange, add32, compare64, compare128, copy, fill, save, load128, store128, again, debug, poll
end:
    finish 0
out8:
    mov eax, edx
    mov edx, ecx
    out dx, al
    jmp next
out16:
    mov eax, edx
    mov edx, ecx
    out dx, ax
    jmp next
in8:
    mov edx, ecx
    xor eax, eax
    in al, dx
    jmp noted
in16:
    mov edx, ecx
    xor eax, eax
    in ax, dx
    jmp noted
load8:
    movzx eax, byte [rcx]
    jmp noted
load16:
    movzx eax, word [rcx]
    jmp noted
load32:
    mov eax, [rcx]
    jmp noted
load64:
    mov rax, [rcx]
noted:
    note
    jmp next
store8:
    mov [rcx], dl
    jmp next
store16:
    mov [rcx], dx
    jmp next
store32:
    mov [rcx], edx
    jmp next
store64:
    mov eax, edx
    imul rax, rax, 10001h
    mov [rcx], rax
    jmp next
exchange:
    mov eax, edx
    xchg [rcx], eax
    jmp noted
add32:
    add [rcx], edx
    jmp next
compare64:                      ; puts R8 there if EDX is there
    mov eax, edx
    mov ebx, r8d
    mov rdi, rcx
    mov ecx, r8d
    xor edx, edx
    cmpxchg8b [rdi]
    jmp noted
compare128:
    mov rdi, rcx
    mov eax, edx
    mov ebx, r8d
    mov ecx, r8d
    xor edx, edx
    cmpxchg16b [rdi]
    jmp noted
copy:                           ; R8 bytes from ECX to EDX
    mov esi, ecx
    mov edi, edx
    mov ecx, r8d
    rep movsb
    jmp next
fill:                           ; R8 dwords
    mov edi, ecx
    mov eax, edx
    mov ecx, r8d
    rep stosd
    jmp next
save:
    movd xmm0, edx
    fxsave [rcx]
    jmp next
load128:
    movups xmm1, [rcx]
    movq rax, xmm1
    jmp noted
store128:
    movd xmm0, edx
    pshufd xmm0, xmm0, 0
    movups [rcx], xmm0
    jmp next
again:                          ; the script from its beginning, R8 times more: in the script
    dec dword [r12 - 4]
    js next
    mov r12d, SCRIPT
    jmp next

poll:                           ; R8 times what a port reads
    mov edx, ecx
.once:
    in al, dx
    movzx eax, al
    note
    dec r8d
    jnz .once
    jmp next
debug:                          ; the guest's own watchpoint at ECX, as EDX says
    mov dr0, rcx
    mov dr7, rdx
    jmp next
on_debug:
    mov rax, [rbp + FRAME_RIP]
    note
    mov rax, dr6
    note
    xor eax, eax
    mov dr6, rax
    ret

    align 8
seen: dq 0
