; The BIOS services that real-mode guests find: of interrupts 10h-1Ah (Ralf Brown's Interrupt List) what makes sense
; without a display, a disk and a clock interrupt. Characters go to and come from COM1.
; services.py holds this assembled; the memory map's table follows the last byte.

        bits 16
        org 0xf000

COM1        equ 0x3f8
LSR         equ 5
LSR_DR      equ 0x01
LSR_THRE    equ 0x20
CARRY       equ 0x01
ZERO        equ 0x40
FLAGS       equ 6               ; of the interrupted code, from BP after PUSH BP

        dw ignore, irq, irq_slave, halt
        dw video, equipment, memory_size, disk, fail, system, keyboard

ignore: iret

irq:    push ax
        mov al, 0x20
        out 0x20, al
        pop ax
        iret

irq_slave:
        push ax
        mov al, 0x20
        out 0xa0, al
        out 0x20, al
        pop ax
        iret

halt:   cli
        hlt
        jmp halt

video:  cmp ah, 0x0e            ; teletype output of AL
        jne ignore
        push dx
        push ax
        mov dx, COM1 + LSR
.wait:  in al, dx
        test al, LSR_THRE
        jz .wait
        pop ax
        mov dx, COM1
        out dx, al
        pop dx
        iret

equipment:
        mov ax, 0x0200          ; one serial port
        iret
.none:  xor ax, ax
        iret

memory_size:
        mov ax, 639
        iret

disk:   mov ah, 0x01            ; invalid command: there is none
        jmp failed
fail:   mov ah, 0x86            ; unsupported function
failed: push bp
        mov bp, sp
        or byte [bp + FLAGS], CARRY
        pop bp
        iret

done:   push bp
        mov bp, sp
        and byte [bp + FLAGS], ~CARRY & 0xff
        pop bp
        iret

system: cmp ah, 0x88            ; KiB above 1 MiB, at most 63 MiB
        je .extended
        cmp ah, 0x24            ; A20: always on
        je .a20
        cmp ax, 0xe820
        jne fail
        cmp edx, 0x534d4150     ; 'SMAP'
        jne fail
        cmp ebx, [cs:entries]
        jae fail
        push si
        push di
        push bx
        push ds
        push cs
        pop ds
        imul si, bx, 20
        add si, table
        mov cx, 20
        cld
        rep movsb
        pop ds
        pop bx
        pop di
        pop si
        inc ebx
        cmp ebx, [cs:entries]
        jb .more
        xor ebx, ebx
.more:  mov eax, 0x534d4150
        mov ecx, 20
        jmp done
.extended:
        mov ax, [cs:extended]
        jmp done
.a20:   mov ax, 0x0001
        jmp done

keyboard:                       ; 00h, 10h: wait for a key; 01h, 11h: is there one? No shift keys.
        test ah, 0x02
        jnz equipment.none
        push ds
        push dx
        push 0x40
        pop ds
        test ah, 0x01
        jnz .peek
.wait:  call receive
        jz .wait
        mov byte [0x1e], 0
        pop dx
        pop ds
        iret
.peek:  call receive
        pop dx
        pop ds
        push bp
        mov bp, sp
        jz .none
        and byte [bp + FLAGS], ~ZERO & 0xff
        pop bp
        iret
.none:  or byte [bp + FLAGS], ZERO
        pop bp
        iret

receive:                        ; AX = the next character in the buffer of one at 40:1E, ZF when there is none
        mov al, [0x1e]
        test al, al
        jnz .full
        mov dx, COM1 + LSR
        in al, dx
        inc al                  ; no UART: the bus floats
        jz .empty
        dec al
        test al, LSR_DR
        jz .empty
        mov dx, COM1
        in al, dx
        mov [0x1e], al
.full:  mov ah, 0
        test al, al
        ret
.empty: xor ax, ax
        ret

extended:
        dw 0
entries:
        dd 0
table:
