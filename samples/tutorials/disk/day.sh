# A day in the life of a machine with the heartbeat module: for samples/tutorials/disk.md.
head -c 131072 /dev/zero > /var/heartbeat
sync
insmod /mnt/heartbeat.ko file=/var/heartbeat
sleep 1

# Somebody tidies up.
rm /var/heartbeat
sync

# Somebody keeps books.
for book in 1 2 3 4 5 6 7 8; do
    yes "book $book: all is well" | head -c 131072 > /var/book$book
done
sync
cd /var
sha256sum book? > /tmp/sums
sleep 2

# And looks at them another day, when they are no longer in memory.
echo 3 > /proc/sys/vm/drop_caches
sha256sum -c --quiet /tmp/sums && echo "the books are as they were"
