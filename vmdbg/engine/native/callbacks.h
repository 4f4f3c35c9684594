/* What Python answers: the bus of the engine that `owner` is the handle of. Never called where a longjmp could cross it.
 * A read that fails is all ones, an acknowledge that fails -1; the run ends then. */
uint32_t bus_port_read(void *owner, uint32_t port, uint32_t size, uint64_t now);
void bus_port_write(void *owner, uint32_t port, uint32_t size, uint32_t value, uint64_t now);
uint64_t bus_memory_read(void *owner, uint64_t physical, uint32_t size, uint64_t now);
void bus_memory_write(void *owner, uint64_t physical, uint32_t size, uint64_t value, uint64_t now);
int32_t bus_acknowledge(void *owner, uint64_t now);
int32_t bus_read_msr(void *owner, uint32_t msr, uint64_t now, uint64_t *value); /* 0: #GP(0) */
int32_t bus_write_msr(void *owner, uint32_t msr, uint64_t value, uint64_t now);
uint32_t bus_task_priority(void *owner, int32_t write, uint32_t value, uint64_t now);
void bus_coprocessor_error(void *owner, uint32_t cpu, uint64_t now);
void bus_interrupts_moved(void *owner, uint32_t cpu, uint32_t scheduled, uint32_t timer, uint64_t timer_due, uint32_t out0, uint64_t out0_due,
                          int32_t intr);
uint32_t bus_put_back(void *owner, uint32_t first, uint32_t count); /* of these pages those that are owed; 0: that failed */
