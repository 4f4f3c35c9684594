# The hunt of stale.md, without its explanations:
#     vmdbg record stale.vmdbg samples/kernel/sample.elf --append "bug=stale panic=exit"
#     vmdbg replay stale.vmdbg --gdb 1234
#     gdb -x samples/tutorials/stale.gdb samples/kernel/sample.elf
set pagination off
set confirm off
target remote :1234

# The crash.
continue
backtrace
frame function read_all
print *mailbox

# Who spoilt the pointer?
watch -l mailbox->letters
reverse-continue
backtrace
print *standing_order
print *(struct mailbox *)standing_order

# And when did the bank's pointer become stale?
delete
break kfree if object == standing_order
reverse-continue
backtrace 3
up
print *account
list 38,43

# The write once more, in one command.
continue
delete
continue
frame function read_all
eval "monitor last-write %p 8", &mailbox->letters
