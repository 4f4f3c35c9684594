# The hunt of race.md, without its explanations:
#     vmdbg record race.vmdbg samples/kernel/sample.elf --append "bug=race panic=exit"
#     vmdbg replay race.vmdbg --gdb 1234
#     gdb -x samples/tutorials/race.gdb samples/kernel/sample.elf
set pagination off
set confirm off
target remote :1234

# The audit.
continue
frame function audit
print account->balance

# The last write is all right.
watch -l account->balance
reverse-continue
print teller->name
print amount

# The last one that is not: the balance is no longer the one that was read.
list 66,68
delete
break 68 if balance != teller->account->balance
reverse-continue
print teller->name
print balance
print teller->account->balance
print amount

# Who wrote in between?
watch -l teller->account->balance
reverse-continue
print teller->name

# And who let it?
delete
break switch_stack
reverse-continue
backtrace
list bank.c:63,65
