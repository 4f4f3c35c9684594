// SPDX-License-Identifier: GPL-2.0-or-later
// Writes down that this machine lives, many times a second, where it is found after a crash: in a file's block, straight
// on the disk, past the file system. For samples/tutorials/disk.md, which says what is wrong with it.
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/module.h>

static char *file = "/var/heartbeat";
module_param(file, charp, 0444);
MODULE_PARM_DESC(file, "where to write; it is there, with a block of its own");

struct beat {
    char words[8];
    u64 count;
};

static struct block_device *device;
static sector_t place;
static struct page *page;
static struct task_struct *thread;

static int write_beat(u64 count)
{
    struct beat *beat = page_address(page);
    struct bio *bio = bio_alloc(device, 1, REQ_OP_WRITE | REQ_SYNC, GFP_KERNEL);
    int error;

    memcpy(beat->words, "heart at", sizeof(beat->words));
    beat->count = count;
    bio->bi_iter.bi_sector = place;
    __bio_add_page(bio, page, SECTOR_SIZE, 0);
    error = submit_bio_wait(bio);
    bio_put(bio);
    return error;
}

static int heartbeat(void *unused)
{
    for (u64 count = 0; !kthread_should_stop(); count++) {
        write_beat(count);
        msleep(100);
    }
    return 0;
}

// Where the file's first block is. Asking each time would take the file system, which may be what has crashed.
static int find_place(void)
{
    struct file *opened = filp_open(file, O_RDONLY, 0);
    struct inode *inode;
    sector_t block = 0;
    int error;

    if (IS_ERR(opened))
        return PTR_ERR(opened);
    inode = file_inode(opened);
    error = bmap(inode, &block);
    device = inode->i_sb->s_bdev;
    place = block << (inode->i_blkbits - SECTOR_SHIFT);
    filp_close(opened, NULL);
    return error ? error : block ? 0 : -ENODATA;
}

static int __init heartbeat_init(void)
{
    int error = find_place();

    if (error)
        return error;
    page = alloc_page(GFP_KERNEL | __GFP_ZERO);
    if (!page)
        return -ENOMEM;
    thread = kthread_run(heartbeat, NULL, "heartbeat");
    if (IS_ERR(thread)) {
        __free_page(page);
        return PTR_ERR(thread);
    }
    return 0;
}

static void __exit heartbeat_exit(void)
{
    kthread_stop(thread);
    __free_page(page);
}

module_init(heartbeat_init);
module_exit(heartbeat_exit);
MODULE_LICENSE("GPL");
