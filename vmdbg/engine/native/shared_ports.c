/* Ports whose plain accesses are answered here, out of memory that their devices keep: devices/wiring/shared_ports.py. */
#include <stdlib.h>
#include <string.h>

#include "vm.h"

enum { PORTS = 0x10000 };

/* The entry of the ports from `first` on; NULL: there are too many. */
static SharedPorts *entry_of(Vm *vm, uint32_t first)
{
    if (!vm->shared_at)
        vm->shared_at = calloc(PORTS, 1);
    if (!vm->shared_at)
        return NULL;
    for (uint32_t i = 0; i < vm->shared_count; i++)
        if (vm->shared[i].first == first)
            return &vm->shared[i];
    if (vm->shared_count == SHARED_PORTS)
        return NULL;
    vm->shared[vm->shared_count] = (SharedPorts){.first = first};
    return &vm->shared[vm->shared_count++];
}

static bool share(Vm *vm, uint32_t first, uint32_t count, PlainPorts *plain, StreamPort *stream)
{
    SharedPorts *entry = first + count <= PORTS ? entry_of(vm, first) : NULL;

    if (!entry)
        return false;
    entry->plain = plain ? plain : entry->plain;
    entry->stream = stream ? stream : entry->stream;
    memset(vm->shared_at + first, entry - vm->shared + 1, count);
    return true;
}

/* `size` is that of the device's structure. Returns whether it is ours, and there is room for it. */
bool vm_share_plain(Vm *vm, uint32_t first, uint32_t count, void *memory, uint64_t size)
{
    return size == sizeof(PlainPorts) && count <= PLAIN_PORTS && share(vm, first, count, memory, NULL);
}

bool vm_share_stream(Vm *vm, uint32_t port, void *memory, uint64_t size)
{
    return size == sizeof(StreamPort) && share(vm, port, 1, NULL, memory);
}

/* NULL: nothing is shared there, or accesses are to be seen. */
static const SharedPorts *shared_at(const Vm *vm, uint32_t port)
{
    uint8_t number = vm->shared_at && !vm->chips.observed ? vm->shared_at[port] : 0;

    return number ? &vm->shared[number - 1] : NULL;
}

/* The place of an access that is plain; NULL: it is the device's. */
static uint8_t *in_stream(const SharedPorts *entry, uint32_t port, uint32_t size, uint32_t flow)
{
    StreamPort *stream = entry->stream;

    if (!stream || port != entry->first || stream->flow != flow || stream->edge > STREAM_SIZE ||
        (uint64_t)stream->index + size >= stream->edge)
        return NULL;
    uint8_t *place = stream->data + stream->index;
    stream->index += size;
    return place;
}

static bool is_plain(const PlainPorts *plain, uint32_t offset, uint64_t now)
{
    return plain->readable >> offset & 1 && now < plain->until[offset];
}

/* IN. Whether it is done. */
bool shared_read(const Vm *vm, uint32_t port, uint32_t size, uint64_t now, uint64_t *value)
{
    const SharedPorts *entry = shared_at(vm, port);
    uint8_t *place = entry ? in_stream(entry, port, size, FLOW_TO_GUEST) : NULL;

    if (place) {
        *value = 0;
        memcpy(value, place, size);
        return true;
    }
    if (!entry || !entry->plain || size != 1 || !is_plain(entry->plain, port - entry->first, now))
        return false;
    *value = entry->plain->values[port - entry->first];
    return true;
}

/* OUT. Whether it is done. */
bool shared_write(const Vm *vm, uint32_t port, uint32_t size, uint32_t value)
{
    const SharedPorts *entry = shared_at(vm, port);
    uint8_t *place = entry ? in_stream(entry, port, size, FLOW_FROM_GUEST) : NULL;

    if (place)
        memcpy(place, &value, size);
    return place;
}
