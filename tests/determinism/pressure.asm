; What a kernel under memory pressure does, and what else could betray a debugger: pages are touched in a random order,
; their A bits cleared without a flush and read back, some with INVLPG, some by a new CR3; pages are given back and found
; missing again; code is rewritten through another mapping; RDTSC, CMPXCHG16B, REP MOVS and a ring 3 task go on in between,
; and the timer interrupts all of it. Everything seen goes into a hash at TEST_PAGES.
; Ends: test exit 0, after printing the hash. At org 100000h, as long.inc says.
%include "long.inc"

HASH equ TEST_PAGES
SEED equ TEST_PAGES + 8
PAIR equ TEST_PAGES + 16
ALIAS equ TEST_PAGES + 1000h    ; the physical page behind window page 400
ROUNDS equ 400
FRAMES equ 300000h              ; what the window shows: 64 pages, over and over

    set_handler 20h, timer
    set_handler 14, missing
    set_handler 80h, system_call
    mov qword [HASH], 0
    mov qword [SEED], 12345
    mov edi, WINDOW_PT
    mov ecx, 256
    mov eax, FRAMES | P | W | U
.map:
    mov [rdi], rax
    add rdi, 8
    add eax, 4096
    test eax, 40000h
    jz .next
    mov eax, FRAMES | P | W | U
.next:
    dec ecx
    jnz .map
    map_window 400, ALIAS | P | W | U
    map_window 401, ALIAS | P | W | U | NX
    mov dword [WINDOW + 400 * 4096], 0c3c0ffh       ; INC AL; RET
    remap_pics 0feh
    pit_counter_0 2, 97
    sti
    mov r15d, ROUNDS
round:
    sti
    mov r14d, 24
.touch:
    call random
    movzx ebx, al
    shl ebx, 12
    test eax, 100h
    jz .read
    add [WINDOW + rbx + 8], rax
    jmp .touched
.read:
    mov rax, [WINDOW + rbx + 8]
    call mix
.touched:
    dec r14d
    jnz .touch
    mov ecx, 256                ; age: read and clear A, no flush
    mov esi, WINDOW_PT
.age:
    mov rax, [rsi]
    and eax, 61h
    call mix
    and qword [rsi], ~20h
    add rsi, 8
    dec ecx
    jnz .age
    call random
    movzx ebx, al
    test eax, 300h
    jnz .keep
    mov rdi, rbx
    and qword [WINDOW_PT + 8 * rdi], ~1             ; give it back
.keep:
    shl ebx, 12
    test eax, 400h
    jz .no_invlpg
    invlpg [WINDOW + rbx]
.no_invlpg:
    test eax, 3800h
    jnz .no_flush
    mov rax, cr3
    mov cr3, rax
.no_flush:
    call random
    and al, 1
    add al, 0feh                ; FE C0 or FF C0: INC AL or INC EAX
    mov [WINDOW + 401 * 4096], al
    mov eax, 0ffh
    mov edx, WINDOW + 400 * 4096
    call rdx
    call mix
    rdtsc
    call mix
    mov rax, [PAIR]
    mov rdx, [PAIR + 8]
    lea rbx, [rax + 1]
    lea rcx, [rdx + 3]
    lock cmpxchg16b [PAIR]
    pushfq
    pop rax
    call mix
    mov esi, FRAMES
    mov edi, TEST_PAGES + 3000h
    mov ecx, 700
    rep movsb
    enter_ring3 user
    dec r15d
    jnz round
    cli
    say_hex [HASH], 16
    say 10
    finish 0

user:
    mov eax, r15d
    int 80h
    mov rax, [WINDOW + 5000h]
    int 81h

system_call:
    mov rax, [rbp + FRAME_RAX]
    call mix
    ret

random:                         ; rax
    mov rax, 6364136223846793005
    imul rax, [SEED]
    add rax, 1442695040888963407 & 7fffffffh
    mov [SEED], rax
    shr rax, 33
    ret

mix:                            ; rax is lost, rdx too
    xor rax, [HASH]
    mov rdx, 1000193h * 3
    imul rax, rdx
    ror rax, 17
    mov [HASH], rax
    ret

missing:                        ; a page that was given back is mapped again
    mov rax, cr2
    call mix
    mov rax, cr2
    shr rax, 12
    and eax, 1ffh
    or qword [WINDOW_PT + 8 * rax], 1
    ret

timer:
    mov rax, [rbp + FRAME_RIP]
    call mix
    end_of_interrupt
    ret
