; Runs one case after the other, each from the same state of tables and memory, and keeps what every exception found.
; The same bytes in QEMU and in the engine; where things are is in layout.py. It begins in real mode, also after a
; triple fault, which is the end of a case like any other.
        org MONITOR
OSFXSR  equ 200h
        bits 16

entry:
        cli
        xor ax, ax
        mov ds, ax
        lgdt [own_gdtr]
        mov eax, 11h
        mov cr0, eax
        jmp dword CS32:begin

        align 8
own_gdt:
        dq 0, 00CF9B000000FFFFh, 00CF93000000FFFFh, 00AF9B000000FFFFh, 00009B000000FFFFh, 000093000000FFFFh
own_task:
        dq 0000890000000067h                    ; of 32 bits: with one of 16 IA-32e mode cannot begin
own_gdtr:
        dw $ - own_gdt - 1
        dd own_gdt

        bits 32
begin:
        call own_segments
        mov eax, OSFXSR
        mov cr4, eax
%ifndef WITHOUT_PORTS
        mov al, 0FFh                            ; no interrupts
        out 21h, al
        out 0A1h, al
        call show_ram
%endif
        cmp dword [IN_CASE], 0
        je next
        mov dword [RECORD], TRIPLE_FAULT
        jmp keep

; A PC's chipset shows RAM from A0000h on when it is told to: SMRAM and PAM0 to PAM6 of the 440FX.
%macro configure 2
        mov eax, 80000000h | (%1 & ~3)
        mov dx, 0CF8h
        out dx, eax
        mov al, %2
        mov dx, 0CFCh | (%1 & 3)
        out dx, al
%endmacro
show_ram:
        configure 59h, 30h
%assign register 5Ah
%rep 6
        configure register, 33h
%assign register register + 1
%endrep
        configure 72h, 4Ah
        ret

own_segments:
        pop ecx
        mov eax, DS32
        mov ds, eax
        mov es, eax
        mov ss, eax
        mov esp, STACK
        push ecx
        cld
        ret

; INT3s from where EBX's list says.
fill:
        mov eax, 0CCCCCCCCh
        movd xmm0, eax
        pshufd xmm0, xmm0, 0
.region:
        mov edi, [ebx]
        mov ecx, [ebx + 4]
.line:
        movdqu [edi], xmm0
        movdqu [edi + 16], xmm0
        movdqu [edi + 32], xmm0
        movdqu [edi + 48], xmm0
        add edi, 64
        loop .line
        add ebx, 8
        cmp ebx, edx
        jb .region
        ret

; After a case that could store anywhere.
refill:
        mov dword [REFILL], 0
        mov ebx, refilled
        mov edx, refilled_end
        call fill
        mov esi, TABLES_COPY
        mov edi, LONG_TABLES
        mov ecx, (PAE_POINTERS + 1000h - LONG_TABLES) / 4
        rep movsd
        mov esi, MONITOR_COPY
        mov edi, MONITOR
        mov ecx, (MONITOR_END - MONITOR) / 4
        repe cmpsd
        je .done
        mov esi, MONITOR_COPY
        mov edi, MONITOR
        mov ecx, (MONITOR_END - MONITOR) / 4
        rep movsd
.done:
        ret

next:
        mov eax, OSFXSR
        mov cr4, eax
        cmp dword [REFILL], 0
        je .filled
        call refill
.filled:
        mov ebx, filled
        mov edx, filled_end
        call fill
        xor eax, eax
        mov cr4, eax
        mov eax, [NEXT]
        cmp eax, [COUNT]
        jae done
        imul esi, eax, CASE_SIZE
        add esi, CASES
        mov edi, CASE
        mov ecx, CASE_SIZE / 4
        rep movsd
        xor eax, eax
        mov edi, RECORD
        mov ecx, RECORD_SIZE / 4
        rep stosd
        mov esi, [CASE + CASE_TEMPLATE]
        mov ebx, regions
.restore:
        mov edi, [ebx]
        mov ecx, [ebx + 4]
        rep movsd
        add ebx, 8
        cmp ebx, regions_end
        jb .restore
        mov esi, CASE + CASE_PATCHES
        mov ecx, [CASE + CASE_PATCH_COUNT]
        jecxz .patched
.patch:
        mov edi, [esi]
        mov eax, [esi + 4]
        mov [edi], eax
        add esi, 8
        loop .patch
.patched:
        mov dword [IN_CASE], 1
        xor eax, eax
        mov cr2, eax
        mov eax, [CASE + CASE_DR]
        mov dr0, eax
        mov eax, [CASE + CASE_DR + 4]
        mov dr1, eax
        mov eax, [CASE + CASE_DR + 8]
        mov dr2, eax
        mov eax, [CASE + CASE_DR + 12]
        mov dr3, eax
        mov eax, [CASE + CASE_DR + 16]
        mov dr6, eax
        mov eax, [CASE + CASE_DR + 20]
        mov dr7, eax
        lidt [CASE + CASE_IDTR]
        cmp dword [CASE + CASE_KIND], REAL
        je enter_real
        lgdt [CASE + CASE_GDTR]
        mov eax, [CASE + CASE_CR + 8]
        mov cr4, eax
        mov eax, [CASE + CASE_CR + 4]
        mov cr3, eax
        mov ecx, EFER
        xor edx, edx
        mov eax, [CASE + CASE_CR + 12]
        wrmsr
        mov eax, [CASE + CASE_CR]
        mov cr0, eax
        cmp dword [CASE + CASE_KIND], LONG
        je enter_long

enter_protected:
        lldt [CASE + CASE_LDTR]
        ltr [CASE + CASE_TR]
        call load_msrs
        test dword [CASE + CASE_FLAGS], 20000h
        jnz .virtual
        mov ds, [CASE + CASE_DS]
        mov es, [cs:CASE + CASE_ES]
        mov fs, [cs:CASE + CASE_FS]
        mov gs, [cs:CASE + CASE_GS]
        test byte [cs:CASE + CASE_CS], 3
        jz .ring0
        push dword [cs:CASE + CASE_SS]
        push dword [cs:CASE + CASE_GPR + 32]
        jmp .frame
.ring0:
        mov ss, [cs:CASE + CASE_SS]
        mov esp, [cs:CASE + CASE_GPR + 32]
        jmp .frame
.virtual:
        push dword [CASE + CASE_GS]
        push dword [CASE + CASE_FS]
        push dword [CASE + CASE_DS]
        push dword [CASE + CASE_ES]
        push dword [CASE + CASE_SS]
        push dword [CASE + CASE_GPR + 32]
.frame:
        push dword [cs:CASE + CASE_FLAGS]
        push dword [cs:CASE + CASE_CS]
        push dword [cs:CASE + CASE_RIP]
%macro load_registers 0
        mov eax, [cs:CASE + CASE_GPR]
        mov ecx, [cs:CASE + CASE_GPR + 8]
        mov edx, [cs:CASE + CASE_GPR + 16]
        mov ebx, [cs:CASE + CASE_GPR + 24]
        mov ebp, [cs:CASE + CASE_GPR + 40]
        mov esi, [cs:CASE + CASE_GPR + 48]
        mov edi, [cs:CASE + CASE_GPR + 56]
%endmacro
        load_registers
        iretd

load_msrs:
        mov ebx, CASE + CASE_MSRS
.next:
        mov ecx, [ebx]
        mov eax, [ebx + 4]
        mov edx, [ebx + 8]
        wrmsr
        add ebx, 12
        cmp ebx, CASE + CASE_MSRS + 12 * MSR_COUNT
        jb .next
        ret

enter_real:
        call load_msrs
        jmp CS16:.protected
        bits 16
.protected:
        mov ax, DS16
        mov ds, ax
        mov es, ax
        mov fs, ax
        mov gs, ax
        mov ss, ax
        mov eax, [CASE + CASE_CR + 8]
        mov cr4, eax
        mov eax, [CASE + CASE_CR]
        mov cr0, eax
        jmp 0:.real
.real:
        mov ds, [cs:CASE + CASE_DS]
        mov es, [cs:CASE + CASE_ES]
        mov fs, [cs:CASE + CASE_FS]
        mov gs, [cs:CASE + CASE_GS]
        mov ss, [cs:CASE + CASE_SS]
        mov esp, [cs:CASE + CASE_GPR + 32]
        push word [cs:CASE + CASE_FLAGS]
        push word [cs:CASE + CASE_CS]
        push word [cs:CASE + CASE_RIP]
        load_registers
        iret

        bits 32
enter_long:
        jmp CS64:.long
        bits 64
.long:
        lldt [CASE + CASE_LDTR]
        ltr [CASE + CASE_TR]
        mov ds, [CASE + CASE_DS]
        mov es, [CASE + CASE_ES]
        mov fs, [CASE + CASE_FS]
        mov gs, [CASE + CASE_GS]
        mov ebx, CASE + CASE_MSRS
.msr:
        mov ecx, [rbx]
        mov eax, [rbx + 4]
        mov edx, [rbx + 8]
        wrmsr
        add ebx, 12
        cmp ebx, CASE + CASE_MSRS + 12 * MSR_COUNT
        jb .msr
        mov eax, [CASE + CASE_SS]
        push rax
        push qword [CASE + CASE_GPR + 32]
        push qword [CASE + CASE_FLAGS]
        mov eax, [CASE + CASE_CS]
        push rax
        push qword [CASE + CASE_RIP]
        mov rax, [CASE + CASE_GPR]
        mov rcx, [CASE + CASE_GPR + 8]
        mov rdx, [CASE + CASE_GPR + 16]
        mov rbx, [CASE + CASE_GPR + 24]
        mov rbp, [CASE + CASE_GPR + 40]
        mov rsi, [CASE + CASE_GPR + 48]
        mov rdi, [CASE + CASE_GPR + 56]
%assign number 8
%rep 8
        mov r%[number], [CASE + CASE_GPR + 8 * number]
%assign number number + 1
%endrep
        iretq

        bits 32
keep:
        mov eax, [NEXT]
        imul edi, eax, RESULT_SIZE
        add edi, RESULTS
        mov esi, RECORD
        mov ecx, RECORD_SIZE / 4
        rep movsd
        mov ebx, regions
.region:
        mov esi, [ebx]
        mov ecx, [ebx + 4]
        rep movsd
        add ebx, 8
        cmp ebx, regions_end
        jb .region
        mov eax, [CASE + CASE_CR]
        and eax, [RECORD + RECORD_CR0]
        shr eax, 31
        xor eax, 1
        mov [REFILL], eax
        inc dword [NEXT]
        mov dword [IN_CASE], 0
        pushfd
        pop eax
        test eax, 180000h
        jz next
        lidt [no_idt]                           ; only a reset clears VIF and VIP in QEMU
        int3

no_idt:
        dw 0
        dd 0

done:
%ifndef WITHOUT_PORTS
        mov dx, DONE_PORT
        out dx, al
%endif
        cli
        hlt
        jmp $ - 1

        align 4
regions:
        REGIONS
regions_end:
filled:
        FILLED
filled_end:
refilled:
        REFILLED
refilled_end:

; Of all modes, with flat segments and paging off.
leave_case:
        mov eax, 400h
        mov dr7, eax
        mov eax, 11h
        mov cr0, eax
        xor eax, eax
        mov cr3, eax
        mov ecx, EFER
        xor edx, edx
        wrmsr
        xor eax, eax
        mov cr4, eax
        mov eax, dr0
        mov [RECORD + RECORD_DR], eax
        mov eax, dr1
        mov [RECORD + RECORD_DR + 4], eax
        mov eax, dr2
        mov [RECORD + RECORD_DR + 8], eax
        mov eax, dr3
        mov [RECORD + RECORD_DR + 12], eax
        lgdt [own_gdtr]
        call own_segments
        push 2
        popfd
        xor eax, eax
        mov fs, eax
        mov gs, eax
        lldt ax
        mov byte [own_task + 5], 89h
        mov ax, own_task - own_gdt
        ltr ax
        mov byte [own_task + 5], 89h
        jmp CS32:keep

        times HANDLERS_32 - MONITOR - ($ - $$) nop
%macro handlers 1
%assign vector 0
%rep VECTORS
        align 16
%if vector = 8 || (vector >= 10 && vector <= 14) || vector = 17 || vector = 21
%else
        push 0
%endif
        push vector
        jmp near %1
%assign vector vector + 1
%endrep
%endmacro
        handlers fault_32
        times HANDLERS_64 - MONITOR - ($ - $$) nop
        bits 64
        handlers fault_64
        times HANDLERS_16 - MONITOR - ($ - $$) nop
        bits 16
%assign vector 0
%rep 256
        align 16
        mov byte [cs:RECORD], vector
        jmp near fault_16
%assign vector vector + 1
%endrep

        bits 32
; Pops, for only they know whether it is SP or ESP.
fault_32:
        pushad
        mov eax, ds
        push eax
        mov eax, es
        push eax
        mov eax, fs
        push eax
        mov eax, gs
        push eax
        mov eax, DS32
        mov ds, eax
        mov es, eax
        pop dword [RECORD + RECORD_DS + 12]
        pop dword [RECORD + RECORD_DS + 8]
        pop dword [RECORD + RECORD_DS + 4]
        pop dword [RECORD + RECORD_DS]
        pop dword [RECORD + RECORD_GPR + 56]
        pop dword [RECORD + RECORD_GPR + 48]
        pop dword [RECORD + RECORD_GPR + 40]
        pop eax
        pop dword [RECORD + RECORD_GPR + 24]
        pop dword [RECORD + RECORD_GPR + 16]
        pop dword [RECORD + RECORD_GPR + 8]
        pop dword [RECORD + RECORD_GPR]
        pop dword [RECORD]
        pop dword [RECORD + RECORD_ERROR]
        pop dword [RECORD + RECORD_RIP]
        pop dword [RECORD + RECORD_CS]
        pop dword [RECORD + RECORD_FLAGS]
        mov byte [RECORD + RECORD_HANDLER], 32
        test dword [RECORD + RECORD_FLAGS], 20000h
        jnz .virtual
        test byte [RECORD + RECORD_CS], 3
        jnz .outer
        mov [RECORD + RECORD_GPR + 32], esp
        mov [RECORD + RECORD_SS], ss
        jmp .framed
.outer:
        pop dword [RECORD + RECORD_GPR + 32]
        pop dword [RECORD + RECORD_SS]
        jmp .framed
.virtual:
        pop dword [RECORD + RECORD_GPR + 32]
        pop dword [RECORD + RECORD_SS]
        pop dword [RECORD + RECORD_VIRTUAL]
        pop dword [RECORD + RECORD_VIRTUAL + 4]
        pop dword [RECORD + RECORD_VIRTUAL + 8]
        pop dword [RECORD + RECORD_VIRTUAL + 12]
.framed:
        call own_segments
        sldt [RECORD + RECORD_LDTR]
        str [RECORD + RECORD_TR]
%macro keep_control 1
        sgdt [RECORD + RECORD_GDTR]
        sidt [RECORD + RECORD_IDTR]
        mov %1, cr0
        mov [RECORD + RECORD_CR0], eax
        mov %1, cr4
        mov [RECORD + RECORD_CR4], eax
        mov %1, cr2
        mov [RECORD + RECORD_CR2], eax
        mov %1, cr3
        mov [RECORD + RECORD_CR3], eax
        mov %1, dr6
        mov [RECORD + RECORD_DR6], eax
        mov %1, dr7
        mov [RECORD + RECORD_DR7], eax
        mov ecx, EFER
        rdmsr
        mov [RECORD + RECORD_EFER], eax
        mov ebx, CASE + CASE_MSRS
        mov edi, RECORD + RECORD_MSRS
%%msr:
        mov ecx, [ebx]
        rdmsr
        mov [edi], eax
        mov [edi + 4], edx
        add edi, 8
        add ebx, 12
        cmp ebx, CASE + CASE_MSRS + 12 * MSR_COUNT
        jb %%msr
%endmacro
        keep_control eax
        jmp leave_case

        bits 64
fault_64:
        mov [RECORD + RECORD_GPR], rax
        mov [RECORD + RECORD_GPR + 8], rcx
        mov [RECORD + RECORD_GPR + 16], rdx
        mov [RECORD + RECORD_GPR + 24], rbx
        mov [RECORD + RECORD_GPR + 40], rbp
        mov [RECORD + RECORD_GPR + 48], rsi
        mov [RECORD + RECORD_GPR + 56], rdi
%assign number 8
%rep 8
        mov [RECORD + RECORD_GPR + 8 * number], r%[number]
%assign number number + 1
%endrep
        pop qword [RECORD]
        pop qword [RECORD + RECORD_ERROR]
        pop qword [RECORD + RECORD_RIP]
        pop qword [RECORD + RECORD_CS]
        pop qword [RECORD + RECORD_FLAGS]
        pop qword [RECORD + RECORD_GPR + 32]
        pop qword [RECORD + RECORD_SS]
        mov byte [RECORD + RECORD_HANDLER], 64
        mov [RECORD + RECORD_DS], ds
        mov [RECORD + RECORD_DS + 4], es
        mov [RECORD + RECORD_DS + 8], fs
        mov [RECORD + RECORD_DS + 12], gs
        sldt [RECORD + RECORD_LDTR]
        str [RECORD + RECORD_TR]
        mov eax, DS32
        mov ss, eax
        mov esp, STACK
        keep_control rax
        mov rax, cr2
        mov [RECORD + RECORD_CR2], rax
        push CS32
        push .compatible
        retfq
        bits 32
.compatible:
        call own_segments
        jmp leave_case

        bits 16
fault_16:
        mov [cs:RECORD + RECORD_GPR], eax
        mov [cs:RECORD + RECORD_GPR + 8], ecx
        mov [cs:RECORD + RECORD_GPR + 16], edx
        mov [cs:RECORD + RECORD_GPR + 24], ebx
        mov [cs:RECORD + RECORD_GPR + 40], ebp
        mov [cs:RECORD + RECORD_GPR + 48], esi
        mov [cs:RECORD + RECORD_GPR + 56], edi
        mov [cs:RECORD + RECORD_DS], ds
        mov [cs:RECORD + RECORD_DS + 4], es
        mov [cs:RECORD + RECORD_DS + 8], fs
        mov [cs:RECORD + RECORD_DS + 12], gs
        pop word [cs:RECORD + RECORD_RIP]
        pop word [cs:RECORD + RECORD_CS]
        pop word [cs:RECORD + RECORD_FLAGS]
        mov [cs:RECORD + RECORD_GPR + 32], esp
        mov [cs:RECORD + RECORD_SS], ss
        xor ax, ax
        mov ds, ax
        mov byte [RECORD + RECORD_HANDLER], 16
        keep_control eax
        lgdt [own_gdtr]
        mov eax, 11h
        mov cr0, eax
        jmp dword CS32:.protected
        bits 32
.protected:
        call own_segments
        jmp leave_case

        times MONITOR_END - MONITOR - ($ - $$) nop
