; 32-bit ring 3: stack switch through the TSS, system call by INT, what privilege forbids, SYSENTER and SYSEXIT.
; Ends: test exit, 0.
%include "protected.inc"
    set_handler 80h, int80
    mov ecx, 174h
    xor edx, edx
    mov eax, CODE
    wrmsr
    mov ecx, 175h
    mov eax, RING0_STACK - 100h
    wrmsr
    mov ecx, 176h
    mov eax, sysenter_entry
    wrmsr
    enter_ring3 user
    say "done", 10
    finish 0
user:
    mov eax, 11111111h
    int 80h
    mov ebx, eax
    provoke cli
    provoke mov eax, cr0
    provoke lgdt [gdtr]
    mov eax, DATA
    provoke mov ds, eax
    provoke in al, 60h
    mov ebx, 33333333h
    mov ecx, esp
    mov edx, .back
    sysenter
.back:
    int 80h
    int 81h
int80:
    say "int80 eax="
    say_hex [ebp + FRAME_EAX], 8
    say " cs="
    say_hex [ebp + FRAME_CS], 4
    say " ss:esp="
    say_hex [ebp + FRAME_SS], 4
    say ":"
    say_hex [ebp + FRAME_ESP], 8
    say " handler's frame at "
    say_hex ebp, 8
    say 10
    mov dword [ebp + FRAME_EAX], 22222222h
    ret
; SYSEXIT goes to CS = IA32_SYSENTER_CS + 16, which must be this GDT's user code: it is not where this GDT has it, so return by IRET
sysenter_entry:
    say "sysenter esp="
    say_hex esp, 8
    mov eax, cs
    say " cs="
    say_hex eax, 4
    mov eax, ss
    say " ss="
    say_hex eax, 4
    say " ebx="
    say_hex ebx, 8
    say 10
    mov eax, 44444444h
    push dword USER_DATA
    push ecx
    push dword 2
    push dword USER_CODE
    push edx
    iretd
