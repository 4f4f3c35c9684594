; The BIOS that real-mode guests find: interrupts 08h-1Ch and 70h, as Ralf Brown's Interrupt List has them, for text
; on the screen, the file as a disk in memory, the clock, the keyboard and the PCI bus. What is written on the screen goes to COM1
; too, and what comes there is read as keys. services_code.py holds this assembled; services.py fills in the parameters,
; and puts the memory map behind the last byte.

        bits 16
        org 0xe000

CARRY           equ 0x01
ZERO            equ 0x40
BDA             equ 0x40
SCREEN          equ 0xb800
BLANK           equ 0x0720
COM1            equ 0x3f8
LSR             equ 5
LSR_DR          equ 0x01
LSR_THRE        equ 0x20
TICKS_A_DAY     equ 0x1800b0
STEP            equ 976         ; microseconds of the RTC's periodic interrupt, 1024 Hz
FLAT            equ 8           ; selector
CONFIG_ADDRESS  equ 0xcf8
CONFIG_DATA     equ 0xcfc

; Of the BIOS data area (segment 40h)
SHIFTS          equ 0x17
SHIFTS2         equ 0x18
HEAD            equ 0x1a
TAIL            equ 0x1c
MODE            equ 0x49
COLUMNS         equ 0x4a
PAGE_SIZE       equ 0x4c
PAGE_START      equ 0x4e
CURSORS         equ 0x50
SHAPE           equ 0x60
PAGE            equ 0x62
TICKS           equ 0x6c
MIDNIGHT        equ 0x70
BREAK           equ 0x71
DISK_STATUS     equ 0x74
BUFFER          equ 0x80
BUFFER_END      equ 0x82
LAST_ROW        equ 0x84
EXTENDED        equ 0x96        ; bit 1: E0h came before
WAIT_FLAG       equ 0x98        ; far pointer to the byte that says the wait is over
WAIT_COUNT      equ 0x9c        ; microseconds left
WAITING         equ 0xa0

; The frame of a service, from BP on
R_ES            equ 0
R_DS            equ 2
R_EDI           equ 4
R_ESI           equ 8
R_EBP           equ 12
R_EBX           equ 20
R_EDX           equ 24
R_ECX           equ 28
R_EAX           equ 32
R_FLAGS         equ 40

disk_base:      dd 0            ; physical address of the image, 0 without one
disk_sectors:   dd 0
disk_drive:     db 0x80
floppy_type:    db 0            ; as INT 13h/08h answers, 0 for a hard disk
cylinders:      dw 0
heads:          dw 0
per_track:      dw 0
extended:       dw 0            ; KiB above 1 MiB, at most 63 MiB
low_kib:        dw 0            ; KiB from 1 to 16 MiB
high_blocks:    dw 0            ; 64 KiB above 16 MiB
entries:        dd 0            ; of the memory map
        times 32 - ($ - $$) db 0

vectors:                        ; interrupt and handler; all others are ignored
        dw 0x00, halt, 0x06, halt
        dw 0x08, irq0, 0x09, irq1
        dw 0x0a, irq, 0x0b, irq, 0x0c, irq, 0x0d, irq, 0x0e, irq, 0x0f, irq
        dw 0x10, video, 0x11, equipment, 0x12, memory_size, 0x13, disk, 0x14, serial_port, 0x15, system
        dw 0x16, keyboard, 0x17, printer, 0x18, halt, 0x19, bootstrap, 0x1a, clock
        dw 0x1e, floppy_table
        dw 0x70, irq8, 0x71, irq_slave, 0x72, irq_slave, 0x73, irq_slave, 0x74, irq_slave, 0x75, irq_slave
        dw 0x76, irq_slave, 0x77, irq_slave
        dw 0xffff, ignore

ignore: iret

halt:   cli
        hlt
        jmp halt

reset:  mov al, 0xfe            ; the 8042 pulses the processor's reset
        out 0x64, al
        jmp halt

; ---- what services share

%macro ENTER_ 0
        pushad
        push ds
        push es
        mov bp, sp
        push BDA
        pop ds
        cld
%endmacro

leave_: mov sp, bp
        pop es
        pop ds
        popad
        iret

done:   and byte [bp + R_FLAGS], ~CARRY & 0xff
        jmp leave_

fail:   or byte [bp + R_FLAGS], CARRY
        jmp leave_

unsupported:
        mov byte [bp + R_EAX + 1], 0x86
        jmp fail

; GS: all of memory from 0. Interrupts are off after it, and A20 on. AH: port 92h as it was. Changes EAX, keeps the rest.
flat:   cli
        in al, 0x92
        push ax
        or al, 2
        and al, 0xfe
        out 0x92, al
        push ebx
        sub sp, 8
        mov bx, sp
        o32 sgdt [ss:bx]
        lgdt [cs:flat_gdtr]
        mov eax, cr0
        or al, 1
        mov cr0, eax
        jmp .protected
.protected:
        push FLAT
        pop gs
        and al, 0xfe
        mov cr0, eax
        jmp .real
.real:  push 0
        pop gs
        o32 lgdt [ss:bx]
        add sp, 8
        pop ebx
        pop ax
        mov ah, al
        ret

; Copy ECX bytes, a multiple of 2, from ESI to EDI, both physical.
copy:   push gs
        push eax
        call flat
        push ax
        shr ecx, 1
        jz .end
.word:  mov ax, [gs:esi]
        mov [gs:edi], ax
        add esi, 2
        add edi, 2
        dec ecx
        jnz .word
.end:   pop ax
        mov al, ah
        and al, 0xfe
        out 0x92, al
        pop eax
        pop gs
        ret

        align 8
flat_gdt:       dq 0, 0x00cf93000000ffff
flat_gdtr:      dw 15
        dd 0xf0000 + flat_gdt

; ---- interrupts of devices

irq_slave:
        push ax
        mov al, 0x20
        out 0xa0, al
        out 0x20, al
        pop ax
        iret

irq:    push ax
        mov al, 0x20
        out 0x20, al
        pop ax
        iret

irq0:   push ds
        push eax
        push BDA
        pop ds
        mov eax, [TICKS]
        inc eax
        cmp eax, TICKS_A_DAY
        jb .day
        xor eax, eax
        inc byte [MIDNIGHT]
.day:   mov [TICKS], eax
        int 0x1c
        cli
        mov al, 0x20
        out 0x20, al
        pop eax
        pop ds
        iret

irq8:   push ds
        push es
        push eax
        push bx
        push BDA
        pop ds
        mov al, 0x0c
        out 0x70, al
        in al, 0x71
        test al, 0x40
        jz .end
        test byte [WAITING], 1
        jz .off
        sub dword [WAIT_COUNT], STEP
        ja .end
        mov byte [WAITING], 0
        les bx, [WAIT_FLAG]
        or byte [es:bx], 0x80
.off:   mov al, 0x0b
        out 0x70, al
        in al, 0x71
        and al, ~0x40
        push ax
        mov al, 0x0b
        out 0x70, al
        pop ax
        out 0x71, al
.end:   mov al, 0x20
        out 0xa0, al
        out 0x20, al
        pop bx
        pop eax
        pop es
        pop ds
        iret

irq1:   ENTER_
        in al, 0x60
        mov ah, 0x4f
        stc
        int 0x15                ; which a guest may have hooked
        cli
        jnc .end
        cmp al, 0xe0
        jne .code
        or byte [EXTENDED], 2
        jmp .end
.code:  call key_event
        and byte [EXTENDED], ~2 & 0xff
.end:   mov al, 0x20
        out 0x20, al
        jmp leave_

; AL: a scan code of set 1; DS is the BIOS data area.
key_event:
        mov bx, ax
        and bx, 0x7f
        mov cl, al              ; bit 7: released
        mov si, shift_keys
.shift: cs lodsw                ; AL code, AH bit of the flags
        cmp al, bl
        je .found
        test al, al
        jnz .shift
        test cl, 0x80
        jnz .done
        cmp bx, KEYS
        jb key_pressed
.done:  ret
.found: cmp ah, 0x10
        jae .toggle
        cmp ah, 0x04
        jae .held
        test byte [EXTENDED], 2 ; the shifts that keyboards put around grey keys
        jnz .done
.held:
        not ah
        and [SHIFTS], ah
        not ah
        test cl, 0x80
        jnz .done
        or [SHIFTS], ah
        ret
.toggle:
        test cl, 0x80
        jnz .release
        test [SHIFTS2], ah      ; held, and sent again
        jnz .done
        or [SHIFTS2], ah
        xor [SHIFTS], ah
        ret
.release:
        not ah
        and [SHIFTS2], ah
        ret

; BX: the code of a key that makes a character, or none.
key_pressed:
        mov dl, [SHIFTS]
        mov ah, bl
        mov dh, dl
        and dh, 0x0c
        cmp dh, 0x0c
        jne .alt
        cmp bl, 0x53            ; Ctrl-Alt-Del
        je reset
.alt:   mov al, 0
        test dl, 0x08           ; Alt: no character
        jnz store_key
        test byte [EXTENDED], 2
        jnz .extended
        mov al, [cs:bx + plain]
        mov ch, [cs:bx + shifted]
        mov dh, dl
        cmp bl, 0x47
        jb .caps
        shr dh, 5               ; Num Lock does on the number pad what Caps Lock does to letters
        jmp .lock
.caps:  cmp al, 'a'
        jb .either
        cmp al, 'z'
        ja .either
        shr dh, 6
.lock:  and dh, 1
        jz .either
        test dl, 0x03
        jz .upper
        jmp .control
.either:
        test dl, 0x03
        jz .control
.upper: mov al, ch
.control:
        test dl, 0x04
        jz .some
        mov al, [cs:bx + plain]
        and al, 0x1f
        cmp byte [cs:bx + plain], '['
        jae .some
        mov al, 0
        cmp bl, 0x1c
        jne .some
        mov al, 10              ; Ctrl-Enter
.some:  jmp store_key
.extended:
        mov al, 0xe0
        cmp bl, 0x35
        je .pad
        cmp bl, 0x1c
        jne store_key
.pad:   mov al, [cs:bx + plain]
        mov ah, 0xe0

; AX into the keyboard's buffer; CF if it is full.
store_key:
        push bx
        push si
        mov bx, [TAIL]
        lea si, [bx + 2]
        cmp si, [BUFFER_END]
        jb .inside
        mov si, [BUFFER]
.inside:
        cmp si, [HEAD]
        stc
        je .full
        mov [bx], ax
        mov [TAIL], si
        clc
.full:  pop si
        pop bx
        ret

; ---- INT 10h: the screen

video:  ENTER_
        movzx bx, ah
        cmp bx, VIDEO_CALLS
        jae leave_
        add bx, bx
        push word SCREEN
        pop es
        jmp [cs:bx + video_calls]

set_mode:
        mov ah, al
        and al, 0x7f
        mov [MODE], al
        mov word [COLUMNS], 80
        mov word [PAGE_SIZE], 0x1000
        cmp al, 1
        ja .wide
        mov word [COLUMNS], 40
        mov word [PAGE_SIZE], 0x800
.wide:  mov word [PAGE_START], 0
        mov byte [PAGE], 0
        mov word [SHAPE], 0x0607
        push ds
        pop es
        mov di, CURSORS
        mov cx, 8
        push ax
        xor ax, ax
        rep stosw
        pop ax
        mov byte [bp + R_EAX], 0x30
        cmp al, 6
        jb .clear
        mov byte [bp + R_EAX], 0x3f
        je .clear
        cmp al, 7
        mov byte [bp + R_EAX], 0x20
        jne .clear
        mov byte [bp + R_EAX], 0x30
.clear: test ah, 0x80
        jnz leave_
        mov bx, SCREEN
        mov cx, 0x4000
        cmp al, 3
        jbe .text
        cmp al, 7
        je .text
        xor ax, ax
        cmp byte [MODE], 6
        jbe .fill
        mov bx, 0xa000
        mov cx, 0x8000
        jmp .fill
.text:  mov ax, BLANK
.fill:  mov es, bx
        xor di, di
        rep stosw
        jmp leave_

set_shape:
        mov [SHAPE], cx
        jmp leave_

set_cursor:
        call cursor_of_page
        mov [bx], dx
        jmp leave_

get_cursor:
        call cursor_of_page
        mov ax, [bx]
        mov [bp + R_EDX], ax
        mov ax, [SHAPE]
        mov [bp + R_ECX], ax
        jmp leave_

; BX: where the cursor of the caller's page BH is kept.
cursor_of_page:
        movzx bx, byte [bp + R_EBX + 1]
        and bx, 7
        add bx, bx
        add bx, CURSORS
        ret

set_page:
        and al, 7
        mov [PAGE], al
        mov ah, 0
        mul word [PAGE_SIZE]
        mov [PAGE_START], ax
        jmp leave_

get_mode:
        mov al, [MODE]
        mov ah, [COLUMNS]
        mov [bp + R_EAX], ax
        mov al, [PAGE]
        mov [bp + R_EBX + 1], al
        jmp leave_

; AL: lines, 0 for all; CX and DX the corners, BH (of the caller) how blanks look.
scroll_up:
        call window
        jz .clear
.row:   mov al, ch
        add al, bl
        cmp al, dh
        ja .clear
        call move_row
        inc ch
        jmp .row
.clear: cmp ch, dh
        ja leave_
        call clear_row
        inc ch
        jmp .clear

scroll_down:
        call window
        xchg ch, dh             ; from the last row up
        jz .clear
.row:   mov al, ch
        sub al, bl
        jb .clear
        cmp al, dh
        jb .clear
        call move_row
        dec ch
        jmp .row
.clear: cmp ch, dh
        jl leave_
        call clear_row
        dec ch
        jns .clear
        jmp leave_

; The window inside the screen; BL lines, ZF if all of it is to be cleared. ES: the active page.
window: mov bl, al
        mov ax, [PAGE_START]
        shr ax, 4
        add ax, SCREEN
        mov es, ax
        mov al, [LAST_ROW]
        cmp dh, al
        jbe .rows
        mov dh, al
.rows:  mov al, [COLUMNS]
        dec al
        cmp dl, al
        jbe .columns
        mov dl, al
.columns:
        cmp ch, dh
        ja leave_
        cmp cl, dl
        ja leave_
        mov al, dh
        sub al, ch
        inc al
        cmp bl, al
        jb .some
        mov bl, 0
.some:  test bl, bl
        ret

; Row AL to row CH, columns CL to DL.
move_row:
        push cx
        push ds
        call cell               ; of row AL
        mov si, di
        mov al, ch
        call cell
        call width
        push es
        pop ds
        rep movsw
        pop ds
        pop cx
        ret

clear_row:
        push cx
        mov al, ch
        call cell
        call width
        mov ah, [bp + R_EBX + 1]
        mov al, ' '
        rep stosw
        pop cx
        ret

width:  mov ch, 0
        push dx
        mov dh, 0
        sub dx, cx
        inc dx
        mov cx, dx
        pop dx
        ret

; DI: offset of column CL in row AL.
cell:   mul byte [COLUMNS]
        mov di, cx
        and di, 0xff
        add di, ax
        add di, di
        ret

; DI: offset of the caller's cursor in the video memory, by page BH.
at_cursor:
        call cursor_of_page
        mov cx, [bx]
        mov al, ch
        call cell
        movzx ax, byte [bp + R_EBX + 1]
        and ax, 7
        push dx
        mul word [PAGE_SIZE]
        pop dx
        add di, ax
        ret

read_cell:
        call at_cursor
        mov ax, [es:di]
        mov [bp + R_EAX], ax
        jmp leave_

write_cells:
        call at_cursor
        mov cx, [bp + R_ECX]
        mov al, [bp + R_EAX]
        mov ah, [bp + R_EBX]
        jcxz .end
        push cx
        rep stosw
        pop cx
.end:   jmp echo_one

write_characters:
        call at_cursor
        mov cx, [bp + R_ECX]
        mov al, [bp + R_EAX]
        push cx
        jcxz .end
.next:  stosb
        inc di
        loop .next
.end:   pop cx
echo_one:                       ; a character written once is text; many are a pattern
        cmp cx, 1
        jne leave_
        cmp al, ' '
        jb leave_
        call serial
        jmp leave_

teletype:
        mov bl, 0               ; looks as what was there
        call write
        jmp leave_

; AL to the caller's page BH at the cursor and to COM1; BL bit 0: it looks as AH says. Keeps SI, DX.
write:  push si
        push dx
        push bx
        mov si, ax
        mov dx, bx
        call serial
        call at_cursor
        mov ax, si
        mov cx, [bx]
        cmp al, 7
        je .end
        cmp al, 8
        je .back
        cmp al, 13
        je .return
        cmp al, 10
        je .line
        mov [es:di], al
        test dl, 1
        jz .written
        mov [es:di + 1], ah
.written:
        inc cl
        cmp cl, [COLUMNS]
        jb .set
        mov cl, 0
        jmp .line
.back:  test cl, cl
        jz .end
        dec cl
        jmp .set
.return:
        mov cl, 0
        jmp .set
.line:  inc ch
        cmp ch, [LAST_ROW]
        jbe .set
        dec ch
        call scroll_page
.set:   mov [bx], cx
.end:   pop bx
        pop dx
        pop si
        ret

; The caller's page BH one line up; blanks look as the last line began.
scroll_page:
        pusha
        push ds
        movzx ax, byte [bp + R_EBX + 1]
        and ax, 7
        mul word [PAGE_SIZE]
        mov di, ax
        mov al, [LAST_ROW]
        mul byte [COLUMNS]
        mov cx, ax
        mov bx, [COLUMNS]
        lea si, [bx]
        add si, si
        add si, di
        push es
        pop ds
        rep movsw
        mov ah, [di + 1]
        mov al, ' '
        mov cx, bx
        rep stosw
        pop ds
        popa
        ret

write_string:                   ; AL bit 0: the cursor follows, bit 1: each character with how it looks
        call cursor_of_page
        push word [bx]
        mov [bx], dx
        mov cx, [bp + R_ECX]
        mov si, [bp + R_EBP]
        jcxz .end
.next:  push cx
        mov es, [bp + R_ES]
        mov al, [es:si]
        inc si
        mov ah, [bp + R_EBX]
        test byte [bp + R_EAX], 2
        jz .write
        mov ah, [es:si]
        inc si
.write: push word SCREEN
        pop es
        mov bl, 1
        call write
        pop cx
        loop .next
.end:   pop ax
        test byte [bp + R_EAX], 1
        jnz leave_
        call cursor_of_page
        mov [bx], ax
        jmp leave_

write_pixel:                    ; of mode 13h
        call pixel
        jne leave_
        mov al, [bp + R_EAX]
        mov [es:di], al
        jmp leave_

read_pixel:
        call pixel
        jne leave_
        mov al, [es:di]
        mov [bp + R_EAX], al
        jmp leave_

pixel:  imul di, dx, 320
        add di, cx
        mov ax, 0xa000
        mov es, ax
        cmp byte [MODE], 0x13
        ret

fonts:  cmp al, 0x30            ; how high characters are, and the last row
        jne leave_
        mov word [bp + R_ECX], 16
        mov al, [LAST_ROW]
        mov [bp + R_EDX], al
        jmp leave_

alternate:
        cmp byte [bp + R_EBX], 0x10            ; a colour screen with 256 KiB
        jne leave_
        mov word [bp + R_EBX], 0x0003
        mov word [bp + R_ECX], 0x0009
        jmp leave_

display:
        test al, al
        jnz leave_
        mov byte [bp + R_EAX], 0x1a
        mov word [bp + R_EBX], 0x0008
        jmp leave_

; AL to COM1. Keeps all.
serial: push dx
        push ax
        mov dx, COM1 + LSR
.wait:  in al, dx
        test al, LSR_THRE
        jz .wait
        pop ax
        mov dx, COM1
        out dx, al
        pop dx
        ret

video_calls:
        dw set_mode, set_shape, set_cursor, get_cursor, leave_, set_page, scroll_up, scroll_down
        dw read_cell, write_cells, write_characters, leave_, write_pixel, read_pixel, teletype, get_mode
        dw leave_, fonts, alternate, write_string, leave_, leave_, leave_, leave_, leave_, leave_, display
VIDEO_CALLS     equ ($ - video_calls) / 2

; ---- INT 11h, 12h

equipment:
        push ds
        push BDA
        pop ds
        mov ax, [0x10]
        pop ds
        iret

memory_size:
        push ds
        push BDA
        pop ds
        mov ax, [0x13]
        pop ds
        iret

; ---- INT 13h: the image in memory as a disk

disk:   ENTER_
        cmp ah, 1
        je disk_status
        cmp dword [cs:disk_base], 0
        je no_disk
        cmp dl, [cs:disk_drive]
        jne no_disk
        cmp ah, 0x48
        ja no_disk
        movzx bx, ah
        movzx bx, byte [cs:bx + disk_calls]
        add bx, bx
        jmp [cs:bx + disk_handlers]

disk_status:
        mov al, [DISK_STATUS]
        mov [bp + R_EAX + 1], al
        test al, al
        jz done
        jmp fail

no_disk:
        mov ah, 0x01            ; invalid command or parameter
disk_failed:
        mov [DISK_STATUS], ah
        mov [bp + R_EAX + 1], ah
        jmp fail

disk_done:
        mov byte [DISK_STATUS], 0
        mov byte [bp + R_EAX + 1], 0
        jmp done

disk_read:
        call chs
        call transfer_in
        jmp disk_done

disk_write:
        call chs
        call transfer_out
        jmp disk_done

disk_verify:
        call chs
        jmp disk_done

; EAX: the first sector and ECX how many, by the caller's cylinder, head and sector; EDX the linear address ES:BX.
chs:    mov cl, [bp + R_ECX]
        movzx eax, cl
        shl ax, 2
        mov al, [bp + R_ECX + 1]        ; cylinder
        cmp ax, [cs:cylinders]
        jae no_disk
        movzx edx, word [cs:heads]
        movzx ebx, byte [bp + R_EDX + 1]
        cmp bx, dx
        jae no_disk
        imul eax, edx
        add eax, ebx
        movzx edx, word [cs:per_track]
        and ecx, 0x3f
        jz no_disk
        cmp cx, dx
        ja no_disk
        imul eax, edx
        lea eax, [eax + ecx - 1]
        movzx ecx, byte [bp + R_EAX]
        test cl, cl
        jz no_disk
        cmp cl, 128
        ja no_disk
        movzx edx, word [bp + R_ES]
        shl edx, 4
        movzx ebx, word [bp + R_EBX]
        add edx, ebx
; Whether sectors EAX to EAX + ECX - 1 are there; else a sector that is not found.
range:  mov ebx, [cs:disk_sectors]
        cmp eax, ebx
        jae .none
        sub ebx, eax
        cmp ecx, ebx
        ja .none
        ret
.none:  mov byte [bp + R_EAX], 0
        mov ah, 0x04
        jmp disk_failed

transfer_in:
        call spans
        jmp copy

transfer_out:
        call spans
        xchg esi, edi
        jmp copy

spans:  shl eax, 9
        mov esi, [cs:disk_base]
        add esi, eax
        mov edi, edx
        shl ecx, 9
        ret

disk_parameters:
        mov ax, [cs:cylinders]
        dec ax
        cmp byte [cs:floppy_type], 0
        jne .last
        dec ax                  ; the last cylinder of a hard disk is for diagnostics
.last:
        mov ch, al
        mov cl, ah
        shl cl, 6
        or cl, [cs:per_track]
        mov [bp + R_ECX], cx
        mov dh, [cs:heads]
        dec dh
        mov dl, 1
        mov [bp + R_EDX], dx
        mov byte [bp + R_EAX], 0
        mov al, [cs:floppy_type]
        test al, al
        jz disk_done
        mov ah, 0
        mov [bp + R_EBX], ax
        mov word [bp + R_ES], cs
        mov word [bp + R_EDI], floppy_table
        jmp disk_done

disk_type:
        mov byte [DISK_STATUS], 0
        cmp byte [cs:floppy_type], 0
        jne .floppy
        mov byte [bp + R_EAX + 1], 3
        movzx eax, word [cs:cylinders]
        dec ax
        movzx ecx, word [cs:heads]
        imul eax, ecx
        mov cx, [cs:per_track]
        imul eax, ecx
        mov [bp + R_EDX], ax
        shr eax, 16
        mov [bp + R_ECX], ax
        jmp done
.floppy:
        mov byte [bp + R_EAX + 1], 1
        jmp done

disk_extensions:
        cmp word [bp + R_EBX], 0x55aa
        jne no_disk
        cmp byte [cs:floppy_type], 0
        jne no_disk
        mov word [bp + R_EBX], 0xaa55
        mov word [bp + R_ECX], 0x0007
        mov byte [bp + R_EAX + 1], 0x30
        mov byte [DISK_STATUS], 0
        jmp done

extended_read:
        call packet
        call transfer_in
        jmp disk_done

extended_write:
        call packet
        call transfer_out
        jmp disk_done

extended_verify:
        call packet
        jmp disk_done

; As chs, of the packet at the caller's DS:SI. A packet that fails has no sectors.
packet: cmp byte [cs:floppy_type], 0
        jne no_disk
        mov es, [bp + R_DS]
        mov si, [bp + R_ESI]
        cmp byte [es:si], 16
        jb no_disk
        movzx ecx, word [es:si + 2]
        mov eax, [es:si + 8]
        cmp dword [es:si + 12], 0
        jne .none
        mov ebx, [cs:disk_sectors]
        cmp eax, ebx
        jae .none
        sub ebx, eax
        cmp ecx, ebx
        ja .none
        cmp dword [es:si + 4], 0xffffffff
        jne .real
        cmp byte [es:si], 24
        jb .real
        mov edx, [es:si + 16]
        ret
.real:  movzx edx, word [es:si + 6]
        shl edx, 4
        movzx ebx, word [es:si + 4]
        add edx, ebx
        ret
.none:  mov word [es:si + 2], 0
        jmp no_disk

extended_parameters:
        cmp byte [cs:floppy_type], 0
        jne no_disk
        mov es, [bp + R_DS]
        mov di, [bp + R_ESI]
        cmp word [es:di], 26
        jb no_disk
        mov ax, 26
        stosw
        mov ax, 2               ; cylinders, heads and sectors are right
        stosw
        movzx eax, word [cs:cylinders]
        stosd
        mov ax, [cs:heads]
        stosd
        mov ax, [cs:per_track]
        stosd
        mov eax, [cs:disk_sectors]
        stosd
        xor eax, eax
        stosd
        mov ax, 512
        stosw
        jmp disk_done

disk_handlers:
        dw no_disk, disk_done, disk_read, disk_write, disk_verify, disk_parameters, disk_type, disk_extensions
        dw extended_read, extended_write, extended_verify, extended_parameters
disk_calls:                     ; what each function is, of disk_handlers
        db 1, 0, 2, 3, 4, 1, 0, 0, 5, 1, 0, 0, 1, 1, 0, 0
        db 1, 1, 0, 0, 1, 6, 0, 0
        times 0x41 - ($ - disk_calls) db 0
        db 7, 8, 9, 10, 0, 0, 1, 11

floppy_table:   db 0xdf, 0x02, 0x25, 0x02, 18, 0x1b, 0xff, 0x6c, 0xf6, 0x0f, 0x08

; ---- INT 19h

bootstrap:
        xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 0x7c00
        mov ax, 0x0201
        mov bx, 0x7c00
        mov cx, 1
        mov dh, 0
        mov dl, [cs:disk_drive]
        int 0x13
        jc halt
        sti
        jmp 0:0x7c00

; ---- INT 14h, 17h: serial ports and printers

serial_port:
        ENTER_
        mov bx, dx
        cmp bx, 4
        jae .none
        add bx, bx
        mov dx, [bx]
        test dx, dx
        jz .none
        cmp ah, 1
        jb .set
        je .send
        cmp ah, 3
        jb .receive
        ja leave_
.status:
        add dx, LSR
        in al, dx
        mov [bp + R_EAX + 1], al
        inc dx
        in al, dx
        mov [bp + R_EAX], al
        jmp leave_
.none:  mov byte [bp + R_EAX + 1], 0x80
        jmp leave_
.set:   push ax
        movzx bx, al
        shr bx, 5
        add bx, bx
        add dx, 3
        mov al, 0x83
        out dx, al
        sub dx, 3
        mov ax, [cs:bx + divisors]
        out dx, al
        inc dx
        mov al, ah
        out dx, al
        add dx, 2
        pop ax
        and al, 0x1f
        out dx, al
        sub dx, 3
        jmp .status
.send:  push ax
        add dx, LSR
.wait:  in al, dx
        test al, LSR_THRE
        jz .wait
        sub dx, LSR
        pop ax
        out dx, al
        jmp .line
.receive:
        add dx, LSR
        mov cx, 0xffff
.poll:  in al, dx
        test al, LSR_DR
        jnz .take
        loop .poll
        jmp .none
.take:  sub dx, LSR
        in al, dx
        mov [bp + R_EAX], al
.line:  add dx, LSR
        in al, dx
        and al, 0x7f
        mov [bp + R_EAX + 1], al
        jmp leave_

divisors:       dw 1047, 768, 384, 192, 96, 48, 24, 12

printer:
        mov ah, 0x01            ; time-out: there is none
        iret

; ---- INT 15h

system: cmp ah, 0x4f            ; a key that nobody has hooked
        jne .own
        push bp
        mov bp, sp
        or byte [bp + 6], CARRY
        pop bp
        iret
.own:   ENTER_
        cmp ax, 0xe820
        je memory_map
        cmp ax, 0xe801
        je memory_above
        cmp ah, 0x24
        je a20
        cmp ah, 0x83
        je wait_event
        cmp ah, 0x86
        je wait_
        cmp ah, 0x87
        je move_block
        cmp ah, 0x88
        je extended_memory
        cmp ah, 0x90            ; nobody waits for devices meanwhile
        je done
        cmp ah, 0x91
        je done
        cmp ah, 0xc0
        je configuration
        cmp ah, 0xc1
        jne unsupported
        mov ax, [0x0e]
        mov [bp + R_ES], ax
        jmp done

memory_map:
        cmp edx, 0x534d4150     ; 'SMAP'
        jne unsupported
        cmp ecx, 20
        jb unsupported
        cmp ebx, [cs:entries]
        jae unsupported
        imul si, bx, 20
        add si, table
        mov es, [bp + R_ES]
        mov cx, 10
        cs rep movsw
        inc ebx
        cmp ebx, [cs:entries]
        jb .more
        xor ebx, ebx
.more:  mov [bp + R_EBX], ebx
        mov dword [bp + R_EAX], 0x534d4150
        mov dword [bp + R_ECX], 20
        jmp done

memory_above:
        mov ax, [cs:low_kib]
        mov [bp + R_EAX], ax
        mov [bp + R_ECX], ax
        mov ax, [cs:high_blocks]
        mov [bp + R_EBX], ax
        mov [bp + R_EDX], ax
        jmp done

extended_memory:
        mov ax, [cs:extended]
        mov [bp + R_EAX], ax
        jmp done

a20:    cmp al, 1
        ja .ask
        mov ah, al
        add ah, ah
        in al, 0x92
        and al, 0xfc
        or al, ah
        out 0x92, al
.good:  mov byte [bp + R_EAX + 1], 0
        jmp done
.ask:   cmp al, 3
        ja unsupported
        je .ways
        in al, 0x92
        shr al, 1
        and al, 1
        mov [bp + R_EAX], al
        jmp .good
.ways:  mov word [bp + R_EBX], 3        ; the 8042 and port 92h
        jmp .good

configuration:
        mov [bp + R_ES], cs
        mov word [bp + R_EBX], config_table
        mov byte [bp + R_EAX + 1], 0
        jmp done

config_table:   dw 8
        db 0xfc, 0x00, 0x01, 0x70, 0x00, 0x00, 0x00, 0x00

; CX:DX microseconds pass, by the RTC's periodic interrupt.
wait_:  test byte [WAITING], 1
        jnz busy
        and byte [WAITING], 0x7f
        mov ax, WAITING
        mov dx, ds
        call begin_wait
.until: sti
        hlt
        cli
        test byte [WAITING], 0x80
        jz .until
        and byte [WAITING], 0x7f
        jmp done

wait_event:                     ; AL 0: set bit 7 of ES:BX when CX:DX microseconds have passed; 1: do not
        cmp al, 1
        je .cancel
        test byte [WAITING], 1
        jnz busy
        mov ax, [bp + R_EBX]
        mov dx, [bp + R_ES]
        call begin_wait
        jmp done
.cancel:
        and byte [WAITING], ~1 & 0xff
        jmp done

busy:   mov byte [bp + R_EAX + 1], 0x83
        jmp fail

; The caller's CX:DX microseconds; bit 7 of the byte at DX:AX says that they are over.
begin_wait:
        cli
        mov [WAIT_FLAG], ax
        mov [WAIT_FLAG + 2], dx
        mov ax, [bp + R_EDX]
        mov [WAIT_COUNT], ax
        mov ax, [bp + R_ECX]
        mov [WAIT_COUNT + 2], ax
        or byte [WAITING], 1
        in al, 0xa1
        and al, 0xfe
        out 0xa1, al
        in al, 0x21
        and al, 0xfb
        out 0x21, al
        mov al, 0x0c
        out 0x70, al
        in al, 0x71
        mov al, 0x0b
        out 0x70, al
        in al, 0x71
        or al, 0x40
        push ax
        mov al, 0x0b
        out 0x70, al
        pop ax
        out 0x71, al
        ret

move_block:                     ; CX words; ES:SI a GDT with the source in its third descriptor, the target in its fourth
        mov es, [bp + R_ES]
        mov si, [bp + R_ESI]
        mov edi, [es:si + 0x1a]
        and edi, 0xffffff
        mov eax, [es:si + 0x1c]
        and eax, 0xff000000
        or edi, eax
        mov eax, [es:si + 0x14]
        mov esi, [es:si + 0x12]
        and esi, 0xffffff
        and eax, 0xff000000
        or esi, eax
        movzx ecx, word [bp + R_ECX]
        add ecx, ecx
        call copy
        mov byte [bp + R_EAX + 1], 0
        jmp done

; ---- INT 16h

keyboard:
        ENTER_
        mov bl, ah
        and ah, 0xef            ; 10h, 11h, 12h are those of the enhanced keyboard
        jz .read
        cmp ah, 1
        je .peek
        cmp ah, 2
        je .flags
        cmp ah, 5
        je .store
        jmp leave_
.read:  cli
        call next_key
        jnz .take
        in al, 0x21
        test al, 1              ; without the clock's interrupts nothing would come back from a halt
        jnz .poll
        sti
        hlt
        jmp .read
.poll:  sti
        nop
        jmp .read
.take:  mov si, [HEAD]
        inc si
        inc si
        cmp si, [BUFFER_END]
        jb .inside
        mov si, [BUFFER]
.inside:
        mov [HEAD], si
        jmp .answer
.peek:  or byte [bp + R_FLAGS], ZERO
        call next_key
        jz leave_
        and byte [bp + R_FLAGS], ~ZERO & 0xff
.answer:
        test bl, 0x10
        jnz .whole
        cmp al, 0xe0            ; the old functions do not tell grey keys from others
        jne .old
        test ah, ah
        jz .whole
        mov al, 0
.old:   cmp ah, 0xe0
        jne .whole
        mov ah, 0x1c
        cmp al, '/'
        jne .whole
        mov ah, 0x35
.whole: mov [bp + R_EAX], ax
        jmp leave_
.flags: mov al, [SHIFTS]
        mov ah, [SHIFTS2]
        test bl, 0x10
        jnz .whole
        mov [bp + R_EAX], al
        jmp leave_
.store: mov ax, [bp + R_ECX]
        call store_key
        mov byte [bp + R_EAX], 0
        jnc leave_
        mov byte [bp + R_EAX], 1
        jmp leave_

; AX: the next key, still in the buffer; ZF if there is none. What came to COM1 is put there when it is empty.
next_key:
        mov si, [HEAD]
        cmp si, [TAIL]
        jne .look
        mov dx, COM1 + LSR
        in al, dx
        cmp al, 0xff            ; no UART: the bus floats
        je .look
        test al, LSR_DR
        jz .look
        mov dx, COM1
        in al, dx
        call key_of
        call store_key
.look:  mov si, [HEAD]
        mov ax, [si]
        cmp si, [TAIL]
        ret

; AX: the key that types AL.
key_of: cmp al, 10
        jne .delete
        mov al, 13
.delete:
        cmp al, 0x7f
        jne .find
        mov al, 8
.find:  mov ah, al
        mov si, plain
.plain: cs lodsb
        cmp al, ah
        je .found
        cmp si, plain + KEYS
        jb .plain
        mov si, shifted
.shifted:
        cs lodsb
        cmp al, ah
        je .shift
        cmp si, shifted + KEYS
        jb .shifted
        mov al, ah
        mov ah, 0
        cmp al, 26
        ja .end
        or al, 0x60             ; Ctrl and a letter
        call .find
        and al, 0x1f
.end:   ret
.shift: sub si, shifted - plain
.found: xchg al, ah
        sub si, plain + 1
        mov cx, si
        mov ah, cl
        ret

; ---- INT 1Ah

clock:  ENTER_
        cmp ah, 0xb1
        je pci
        cmp ah, 7
        ja .bad
        movzx bx, ah
        add bx, bx
        jmp [cs:bx + clock_calls]
.bad:   jmp fail

get_ticks:
        cli
        mov ax, [TICKS]
        mov [bp + R_EDX], ax
        mov ax, [TICKS + 2]
        mov [bp + R_ECX], ax
        mov al, [MIDNIGHT]
        mov [bp + R_EAX], al
        mov byte [MIDNIGHT], 0
        mov byte [bp + R_EAX + 1], 0
        jmp done

set_ticks:
        cli
        mov [TICKS], dx
        mov [TICKS + 2], cx
        mov byte [MIDNIGHT], 0
        mov byte [bp + R_EAX + 1], 0
        jmp done

get_time:
        call settled
        mov ah, 0x00
        call rtc
        mov [bp + R_EDX + 1], al
        mov ah, 0x02
        call rtc
        mov [bp + R_ECX], al
        mov ah, 0x04
        call rtc
        mov [bp + R_ECX + 1], al
        mov ah, 0x0b
        call rtc
        and al, 1
        mov [bp + R_EDX], al
        jmp clock_done

set_time:
        mov ah, 0x00
        mov al, dh
        call set_rtc
        mov ah, 0x02
        mov al, cl
        call set_rtc
        mov ah, 0x04
        mov al, ch
        call set_rtc
        jmp clock_done

get_date:
        call settled
        mov ah, 0x09
        call rtc
        mov [bp + R_ECX], al
        mov ah, 0x32
        call rtc
        mov [bp + R_ECX + 1], al
        mov ah, 0x07
        call rtc
        mov [bp + R_EDX], al
        mov ah, 0x08
        call rtc
        mov [bp + R_EDX + 1], al
        jmp clock_done

set_date:
        mov ah, 0x09
        mov al, cl
        call set_rtc
        mov ah, 0x32
        mov al, ch
        call set_rtc
        mov ah, 0x07
        mov al, dl
        call set_rtc
        mov ah, 0x08
        mov al, dh
        call set_rtc
clock_done:
        mov byte [bp + R_EAX + 1], 0
        mov al, [bp + R_ECX + 1]
        mov [bp + R_EAX], al
        jmp done

; No update is coming for 244 microseconds.
settled:
        mov ah, 0x0a
        call rtc
        test al, 0x80
        jnz settled
        ret

; AL: register AH of the RTC.
rtc:    mov al, ah
        out 0x70, al
        in al, 0x71
        ret

set_rtc:
        xchg al, ah
        out 0x70, al
        mov al, ah
        out 0x71, al
        ret

; ---- INT 1Ah, AH=B1h: PCI BIOS 2.1, by configuration mechanism 1

pci:    movzx bx, al
        cmp bx, PCI_CALLS
        jae pci_none
        add bx, bx
        jmp [cs:bx + pci_calls]
pci_none:
        mov byte [bp + R_EAX + 1], 0x81
        jmp fail

pci_there:
        mov byte [bp + R_EAX], 1
        mov word [bp + R_EBX], 0x0210
        mov byte [bp + R_ECX], 0        ; the last bus
        mov dword [bp + R_EDX], "PCI "
pci_done:
        mov byte [bp + R_EAX + 1], 0
        jmp done

find_device:
        shl ecx, 16
        mov cx, [bp + R_EDX]
        mov edi, ecx
        mov cx, 0
        jmp pci_find
find_class:
        and ecx, 0xffffff
        mov edi, ecx
        mov cx, 0x0808
; The SI-th function with EDI in its register CH, shifted by CL.
pci_find:
        xor bx, bx
.next:  mov eax, 0x800000
        mov ax, bx
        shl eax, 8
        mov al, ch
        mov dx, CONFIG_ADDRESS
        out dx, eax
        mov dx, CONFIG_DATA
        in eax, dx
        cmp eax, -1             ; no function
        je .other
        shr eax, cl
        cmp eax, edi
        jne .other
        sub si, 1
        jc .found
.other: inc bl
        jnz .next
        mov byte [bp + R_EAX + 1], 0x86
        jmp fail
.found: mov [bp + R_EBX], bx
        jmp pci_done

; To register DI of the caller's function BX; DX: the port of its byte.
pci_select:
        mov eax, 0x800000
        mov ax, [bp + R_EBX]
        shl eax, 8
        mov dx, di
        mov al, dl
        and al, 0xfc
        mov dx, CONFIG_ADDRESS
        out dx, eax
        mov dx, di
        and dx, 3
        add dx, CONFIG_DATA
        ret

read_byte:
        call pci_select
        in al, dx
        mov [bp + R_ECX], al
        jmp pci_done
read_word:
        call pci_select
        and dl, ~1 & 0xff
        in ax, dx
        mov [bp + R_ECX], ax
        jmp pci_done
read_dword:
        call pci_select
        and dl, ~3 & 0xff
        in eax, dx
        mov [bp + R_ECX], eax
        jmp pci_done
write_byte:
        call pci_select
        mov al, cl
        out dx, al
        jmp pci_done
write_word:
        call pci_select
        and dl, ~1 & 0xff
        mov ax, cx
        out dx, ax
        jmp pci_done
write_dword:
        call pci_select
        and dl, ~3 & 0xff
        mov eax, ecx
        out dx, eax
        jmp pci_done

pci_calls:
        dw pci_none, pci_there, find_device, find_class, pci_none, pci_none, pci_none, pci_none
        dw read_byte, read_word, read_dword, write_byte, write_word, write_dword
PCI_CALLS equ ($ - pci_calls) / 2

clock_calls:
        dw get_ticks, set_ticks, get_time, set_time, get_date, set_date, fail, fail

; ---- keys, by their codes of set 1

shift_keys:
        db 0x2a, 0x02, 0x36, 0x01, 0x1d, 0x04, 0x38, 0x08, 0x3a, 0x40, 0x45, 0x20, 0x46, 0x10, 0, 0

plain:  db 0, 27, "1234567890-=", 8, 9, "qwertyuiop[]", 13, 0, "asdfghjkl;'`", 0, "\", "zxcvbnm,./", 0, "*", 0, " "
        times 0x4a - ($ - plain) db 0
        db "-", 0, 0, 0, "+", 0, 0, 0, 0
        times 0x59 - ($ - plain) db 0
shifted:
        db 0, 27, "!@#$%^&*()_+", 8, 0, "QWERTYUIOP{}", 13, 0, "ASDFGHJKL:", '"', "~", 0, "|", "ZXCVBNM<>?", 0, "*", 0, " "
        times 0x47 - ($ - shifted) db 0
        db "789-456+1230."
        times 0x59 - ($ - shifted) db 0
KEYS    equ shifted - plain

table:
