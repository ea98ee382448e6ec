/* Faults, memory and waiting: one thread's side of the machine. */

#include <stdarg.h>
#include <stdio.h>

/* --- faults and turns --------------------------------------------------------- */

static void stop(Thread *t)
{
    if (_setjmp(t->here) == 0)
        _longjmp(t->block->scheduler, 1);
}

static void report(Block *block, const char *format, va_list list)
{
    if (!block->failed)
        vsnprintf(block->launch->message, block->launch->message_size, format, list);
    block->failed = true;
}

static void fail(Block *block, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    report(block, format, list);
    va_end(list);
}

void fault(Thread *t, u32 line, const char *format, ...)
{
    char what[200];
    va_list list;
    va_start(list, format);
    vsnprintf(what, sizeof what, format, list);
    va_end(list);
    const u32 *b = t->block->index;
    fail(t->block, "line %u: %s, in thread (%u, %u, %u) of block (%u, %u, %u)", line, what,
         t->tid[0], t->tid[1], t->tid[2], b[0], b[1], b[2]);
    for (;;)
        stop(t);
}

void tire(Thread *t, u32 line)
{
    if (t->fuel <= PATIENCE)
        fault(t, line, "the loop does not end");
    t->fuel -= PATIENCE;
    t->turn = PATIENCE;
    t->line = line;
    stop(t);
}

/* --- memory ------------------------------------------------------------------- */

void outside(Thread *t, u64 address, u32 size, u32 line, const char *where)
{
    fault(t, line, "%u bytes at 0x%llx are outside %s", size, (unsigned long long)address,
          where);
}

static inline bool holds(const Range *range, u64 address, u32 size)
{
    u64 offset = address - (u64)(uintptr_t)range->base;
    return offset <= range->size && size <= range->size - offset;
}

static const Range *search(const Range *ranges, u32 count, u64 address, u32 size, u32 spaces,
                           bool write)
{
    for (u32 i = 0; i < count; i++)
        if ((ranges[i].space & spaces) && holds(ranges + i, address, size) &&
            (ranges[i].writable || !write))
            return ranges + i;
    return NULL;
}

static inline bool known(Thread *t, u64 address, u32 size, u32 spaces, bool write)
{
    const Launch *launch = t->block->launch;
    const Kernel *kernel = t->block->kernel;
    return search(launch->ranges, launch->range_count, address, size, spaces, write) ||
           search(kernel->symbols, kernel->symbol_count, address, size, spaces, write);
}

u8 *memory_at(Thread *t, u64 address, u32 size, u32 spaces, bool write, u32 line)
{
    check_aligned(t, address, size, line);
    if (!known(t, address, size, spaces, write))
        outside(t, address, size, line,
                write && known(t, address, size, spaces, false) ? "what may be written"
                : spaces == CONST                               ? "constant memory"
                                                                : "all arrays");
    return (u8 *)(uintptr_t)address;
}

u8 *generic_at(Thread *t, u64 address, u32 size, bool write, u32 line)
{
    Range shared = {t->shared, t->block->shared_size, 0, 1};
    Range local = {t->local, t->block->kernel->local_bytes, 0, 1};
    check_aligned(t, address, size, line);
    if (holds(&shared, address, size) || holds(&local, address, size))
        return (u8 *)(uintptr_t)address;
    return memory_at(t, address, size, GLOBAL | CONST, write, line);
}

/* --- asynchronous copies ------------------------------------------------------ */

/* Until it is waited for, a copy shows nothing but poison: a read too early is wrong,
   and so is a read too late of what was there before. */
void copy_begin(Thread *t, u8 *target, u64 source, u32 size, u32 source_size, u32 line)
{
    check_aligned(t, source, size, line);
    if (source_size > size)
        fault(t, line, "%u bytes are no part of %u", source_size, size);
    if (source_size && !known(t, source, source_size, GLOBAL, false))
        outside(t, source, source_size, line, "all arrays");
    if (t->pending == COPIES)
        fault(t, line, "more than %u copies are pending", COPIES);
    Copy *copy = t->copies + (t->oldest + t->pending++) % COPIES;
    *copy = (Copy){target, (u8 *)(uintptr_t)source, size, source_size, t->group};
    memset(target, POISON, size);
}

void copy_wait(Thread *t, u64 newest)
{
    while (t->pending && t->copies[t->oldest].group + newest < t->group) {
        Copy *copy = t->copies + t->oldest;
        memset(copy->target, 0, copy->size);
        if (copy->source_size)
            memcpy(copy->target, copy->source, copy->source_size);
        t->oldest = (t->oldest + 1) % COPIES;
        t->pending--;
    }
}

/* --- waiting ------------------------------------------------------------------ */

u32 barrier(Thread *t, u32 number, u32 count, u32 operation, bool value, bool aligned,
            u32 line)
{
    if (number > 15)
        fault(t, line, "there is no barrier %u", number);
    if (count % WARP)
        fault(t, line, "%u threads at a barrier are no whole warps", count);
    t->state = AT_BARRIER;
    t->line = line;
    t->mask = number;
    t->wanted = count;
    t->operation = operation;
    t->aligned = aligned;
    t->in[0] = value;
    stop(t);
    return (u32)t->out[0];
}

void together(Thread *t, u32 operation, u32 mask, bool aligned, u32 line)
{
    if (!(mask >> t->lane & 1))
        fault(t, line, "mask 0x%x lacks lane %u itself", mask, t->lane);
    t->state = IN_WARP;
    t->line = line;
    t->mask = mask;
    t->operation = operation;
    t->aligned = aligned;
    stop(t);
}

u32 activemask(Thread *t, u32 line)
{
    t->state = IN_ACTIVEMASK;
    t->line = line;
    stop(t);
    return (u32)t->out[0];
}
