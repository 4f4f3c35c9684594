# The hunt of smash.md, without its explanations:
#     vmdbg record smash.vmdbg samples/kernel/sample.elf --append "bug=smash panic=exit"
#     vmdbg replay smash.vmdbg --gdb 1234
#     gdb -x samples/tutorials/smash.gdb samples/kernel/sample.elf
set pagination off
set confirm off
target remote :1234

# The crash.
continue
backtrace

# Back to the fault, and over it to the instruction that jumped into the void.
monitor catch #PF
reverse-continue
reverse-stepi
reverse-stepi
x/i $pc
x/s $rsp

# Who wrote over the return address? A byte at a time.
watch -l *(void **)$rsp
reverse-continue
reverse-continue
reverse-continue
reverse-continue
reverse-continue

# Before the first of them the stack is whole.
tbreak guestbook.c:31
reverse-continue
backtrace
print sizeof name
print visitor
