#!/bin/busybox sh
# Puts the guest into a known state, prints what the kernel says about itself on ttyS1, and blocks.
/bin/busybox mkdir -p /proc /sys /dev /tmp /bin
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs -o size=1m scratch /tmp
echo 0 > /proc/sys/kernel/kptr_restrict
for module in /modules/*.ko; do insmod "$module"; done
mkfifo /tmp/fifo
echo some text > /tmp/data
sleep 100000 < /tmp/data &
(sleep 200000 & sleep 300000 & wait) &
sh -c 'read line < /tmp/fifo' &
(nc -l -p 4242 > /tmp/received) &
exec 5< /tmp/data 2> /dev/console
sleep 1
section() { echo; echo "=== $*"; }
truth() {
section version; cat /proc/version
section cmdline; cat /proc/cmdline
section tainted; cat /proc/sys/kernel/tainted
section modules; cat /proc/modules
section mounts; cat /proc/self/mountinfo
section kallsyms; awk 'NR % 400 == 0 || /\[/' /proc/kallsyms
section neighbours; awk 'NR % 400 < 2 {print NR, $0}' /proc/kallsyms
section notes; od -An -v -tx1 /sys/kernel/notes
section slabinfo; cat /proc/slabinfo
section interrupts; cat /proc/interrupts
section stat; cat /proc/[0-9]*/stat
for directory in /proc/[0-9]*; do
    process=${directory#/proc/}
    section stack $process; cat $directory/stack
    section cmdline $process; tr '\0' ' ' < $directory/cmdline
    section syscall $process; cat $directory/syscall
    section maps $process; cat $directory/maps
    section fd $process; for fd in $directory/fd/*; do [ -L $fd ] && echo ${fd##*/} $(readlink $fd); done
done
section timer_list; cat /proc/timer_list
section btf; ls -l /sys/kernel/btf
section uptime; cat /proc/uptime
section dmesg; dmesg -r
grep -q keep_busy /proc/cmdline && for n in 1 2 3 4 5 6; do (while :; do :; done) & done
section end
}
truth > /dev/ttyS1 2> /dev/null
sleep 5
grep -q crash_at_end /proc/cmdline && echo c > /proc/sysrq-trigger
sleep 400000
