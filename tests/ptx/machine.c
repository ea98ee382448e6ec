/* Threads, memory, barriers and warps: what the translated kernel runs on.

   Each PTX thread has a stack of its own and runs until it has to wait for others;
   then the scheduler goes on with the next one.  Nothing is preempted except loops
   that run very long, so a launch always gives the same result, and `reverse` gives
   the other extreme of the orders that hardware is free to choose. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

#define WARP 32
#define STACK (1u << 18)
#define GUARD (1u << 16)
#define POISON 0xa5
#define COPIES 512
#define PATIENCE (1ull << 22) /* backward branches before another thread's turn */
#define OUT __attribute__((noinline, cold))

enum { GLOBAL = 1, CONST = 2 };

typedef struct {
    u8 *base;
    u64 size;
    u32 space, writable;
} Range;

/* What Python passes to `launch`. */
typedef struct {
    u32 grid[3], block[3], dynamic_bytes, reverse, range_count, message_size;
    u64 fuel;
    const u8 *parameters;
    const Range *ranges;
    char *message;
} Launch;

struct Thread;
typedef struct {
    void (*run)(struct Thread *);
    u32 static_shared, dynamic_start, local_bytes, symbol_count;
    const Range *symbols;
} Kernel;

typedef struct {
    const Launch *launch;
    const Kernel *kernel;
    struct Thread *threads;
    u32 count, shared_size, index[3];
    u8 *shared;
    bool failed;
    jmp_buf scheduler;
} Block;

typedef enum { READY, AT_BARRIER, IN_WARP, IN_ACTIVEMASK, DONE } State;

/* A copy that cp.async has begun: what is missing from the source becomes zero. */
typedef struct {
    u8 *target;
    const u8 *source;
    u32 size, source_size;
    u64 group;
} Copy;

typedef struct Thread {
    Block *block;
    const u8 *parameters;
    u8 *shared, *local;
    u32 tid[3], lane, number, line;
    State state;
    bool started;
    jmp_buf here;
    u64 fuel, turn;
    /* at a barrier, or in an instruction of the warp */
    u32 operation, mask, wanted;
    bool aligned;
    u64 in[10], out[4];
    /* copies not yet waited for, in a ring, oldest first */
    u32 oldest, pending;
    u64 group;
    Copy copies[COPIES];
} Thread;

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

OUT static void fail(Block *block, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    report(block, format, list);
    va_end(list);
}

/* End the launch with a message about the thread that runs. */
OUT __attribute__((noreturn)) static void fault(Thread *t, u32 line, const char *format, ...)
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

/* At every backward branch: let others run now and then, but not for ever. */
OUT static void tire(Thread *t, u32 line)
{
    if (t->fuel <= PATIENCE)
        fault(t, line, "the loop does not end");
    t->fuel -= PATIENCE;
    t->turn = PATIENCE;
    t->line = line;
    stop(t);
}

static inline void loop(Thread *t, u32 line)
{
    if (--t->turn == 0)
        tire(t, line);
}

/* --- memory ------------------------------------------------------------------- */

static inline void check_aligned(Thread *t, u64 address, u32 size, u32 line)
{
    if (address & (size - 1))
        fault(t, line, "address 0x%llx is not aligned to %u bytes",
              (unsigned long long)address, size);
}

OUT __attribute__((noreturn)) static void outside(Thread *t, u64 address, u32 size, u32 line,
                                                  const char *where)
{
    fault(t, line, "%u bytes at 0x%llx are outside %s", size, (unsigned long long)address,
          where);
}

static inline u8 *shared_at(Thread *t, u64 address, u32 size, u32 line)
{
    check_aligned(t, address, size, line);
    if (address > t->block->shared_size || size > t->block->shared_size - address)
        outside(t, address, size, line, "shared memory");
    return t->shared + address;
}

static inline u8 *local_at(Thread *t, u64 address, u32 size, u32 line)
{
    u32 bytes = t->block->kernel->local_bytes;
    check_aligned(t, address, size, line);
    if (address > bytes || size > bytes - address)
        outside(t, address, size, line, "local memory");
    return t->local + address;
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

static u8 *memory_at(Thread *t, u64 address, u32 size, u32 spaces, bool write, u32 line)
{
    check_aligned(t, address, size, line);
    if (!known(t, address, size, spaces, write))
        outside(t, address, size, line,
                write && known(t, address, size, spaces, false) ? "what may be written"
                : spaces == CONST                               ? "constant memory"
                                                                : "all arrays");
    return (u8 *)(uintptr_t)address;
}

static u8 *generic_at(Thread *t, u64 address, u32 size, bool write, u32 line)
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
static void copy_begin(Thread *t, u8 *target, const u8 *source, u32 size, u32 source_size,
                       u32 line)
{
    if (t->pending == COPIES)
        fault(t, line, "more than %u copies are pending", COPIES);
    Copy *copy = t->copies + (t->oldest + t->pending++) % COPIES;
    *copy = (Copy){target, source, size, source_size, t->group};
    memset(target, POISON, size);
}

static void copy_finish(Thread *t, u64 groups)
{
    while (t->pending && t->copies[t->oldest].group < groups) {
        Copy *copy = t->copies + t->oldest;
        memset(copy->target, 0, copy->size);
        memcpy(copy->target, copy->source, copy->source_size);
        t->oldest = (t->oldest + 1) % COPIES;
        t->pending--;
    }
}

static inline void copy_wait(Thread *t, u64 newest)
{
    if (t->group > newest)
        copy_finish(t, t->group - newest);
}

/* --- waiting ------------------------------------------------------------------ */

enum { SYNC, POPC, AND, OR };

/* Wait at barrier `number`; with AND, OR or POPC return what all threads said. */
static u32 barrier(Thread *t, u32 number, u32 count, u32 operation, bool value, bool aligned,
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

/* Wait until all threads of the mask are in the same instruction, with `in` set. */
static void together(Thread *t, u32 operation, u32 mask, bool aligned, u32 line)
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

static u32 activemask(Thread *t, u32 line)
{
    t->state = IN_ACTIVEMASK;
    t->line = line;
    stop(t);
    return (u32)t->out[0];
}
