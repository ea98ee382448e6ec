/* Threads, memory, barriers and warps: what the translated kernel sees of them.

   Each PTX thread has a stack of its own and runs until it has to wait for others;
   then the scheduler goes on with the next one.  Nothing is preempted except loops
   that run very long, so a launch always gives the same result, and `reverse` gives
   the other extreme of the orders that hardware is free to choose. */

#include <setjmp.h>
#include <stddef.h>

#define WARP 32
#define STACK (1u << 18)
#define GUARD (1u << 16)
#define POISON 0xa5
#define COPIES 512
#define PATIENCE (1ull << 16) /* backward branches before another thread's turn */
#define NEVER __attribute__((noreturn, cold))

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

/* End the launch with a message about the thread that runs. */
NEVER void fault(Thread *t, u32 line, const char *format, ...);
NEVER void outside(Thread *t, u64 address, u32 size, u32 line, const char *where);

/* At every backward branch: let others run now and then, but not for ever. */
void tire(Thread *t, u32 line);
static inline void loop(Thread *t, u32 line)
{
    if (--t->turn == 0)
        tire(t, line);
}

/* --- memory: pointers to as many bytes, if these exist and are aligned --------- */

static inline void check_aligned(Thread *t, u64 address, u32 size, u32 line)
{
    if (address & (size - 1))
        fault(t, line, "address 0x%llx is not aligned to %u bytes",
              (unsigned long long)address, size);
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

u8 *memory_at(Thread *t, u64 address, u32 size, u32 spaces, bool write, u32 line);
u8 *generic_at(Thread *t, u64 address, u32 size, bool write, u32 line);

/* --- asynchronous copies ------------------------------------------------------ */

void copy_begin(Thread *t, u8 *target, u64 source, u32 size, u32 source_size, u32 line);

/* Finish all copies but those of the newest groups. */
void copy_wait(Thread *t, u64 newest);

/* --- waiting ------------------------------------------------------------------ */

/* Wait at barrier `number`; with AND, OR or POPC return what all threads said. */
enum { SYNC, POPC, AND, OR };
u32 barrier(Thread *t, u32 number, u32 count, u32 operation, bool value, bool aligned,
            u32 line);

/* Wait until all threads of the mask are in the same instruction, with `in` set. */
void together(Thread *t, u32 operation, u32 mask, bool aligned, u32 line);
enum {
    WARP_SYNC,
    SHFL_UP,
    SHFL_DOWN,
    SHFL_BFLY,
    SHFL_IDX,
    VOTE_ALL,
    VOTE_ANY,
    VOTE_UNI,
    VOTE_BALLOT,
    MATCH_ANY,
    MATCH_ALL,
    REDUX_ADD,
    REDUX_MIN_U32,
    REDUX_MIN_S32,
    REDUX_MAX_U32,
    REDUX_MAX_S32,
    REDUX_AND,
    REDUX_OR,
    REDUX_XOR,
    LDMATRIX,
    LDMATRIX_TRANS,
    MMA /* and above: one for each shape */
};

u32 activemask(Thread *t, u32 line);

/* Run every block of the grid, one after the other; false: read the message. */
int run_grid(const Launch *launch, const Kernel *kernel);
