/* Who runs next, who has waited enough, and what to say if nobody can go on. */

#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>

static Thread *starting;

static void enter(void)
{
    Thread *t = starting;
    t->block->kernel->run(t);
    t->state = DONE;
    for (;;)
        stop(t);
}

static void resume(Thread *t, u8 *stack)
{
    if (_setjmp(t->block->scheduler) != 0)
        return;
    if (t->started)
        _longjmp(t->here, 1);
    ucontext_t context;
    getcontext(&context);
    context.uc_stack.ss_sp = stack + GUARD;
    context.uc_stack.ss_size = STACK - GUARD;
    context.uc_link = NULL;
    makecontext(&context, enter, 0);
    t->started = true;
    starting = t;
    setcontext(&context);
}

static u32 lanes_in(const Thread *warp, u32 size, State state)
{
    u32 found = 0;
    for (u32 lane = 0; lane < size; lane++)
        found |= (warp[lane].state == state ? 1u : 0u) << lane;
    return found;
}

/* Let one group go that is complete; tell whether there was one. */
static bool release_group(Thread *warp, u32 size)
{
    u32 waiting = lanes_in(warp, size, IN_WARP), done = lanes_in(warp, size, DONE);
    u32 live = (size == WARP ? ~0u : (1u << size) - 1) & ~done;
    for (u32 lane = 0; lane < size; lane++) {
        Thread *t = warp + lane;
        u32 members = t->mask & live;
        bool complete = t->state == IN_WARP && (members & ~waiting) == 0;
        for (u32 i = 0; complete && i < size; i++)
            if (members >> i & 1)
                complete = warp[i].mask == t->mask && warp[i].operation == t->operation &&
                           (!t->aligned || warp[i].line == t->line);
        if (!complete)
            continue;
        if (t->operation >= LDMATRIX && members != ~0u) {
            fail(t->block, "line %u: only lanes 0x%x of the warp are there", t->line, members);
            return false;
        }
        perform(warp, members);
        return true;
    }
    return false;
}

/* The threads that reached the same activemask while no other one could run. */
static bool release_activemask(Thread *warp, u32 size)
{
    u32 waiting = lanes_in(warp, size, IN_ACTIVEMASK), here = 0;
    if (waiting == 0)
        return false;
    u32 line = warp[__builtin_ctz(waiting)].line;
    for (u32 lane = 0; lane < size; lane++)
        if (waiting >> lane & 1 && warp[lane].line == line)
            here |= 1u << lane;
    for (u32 lane = 0; lane < size; lane++)
        if (here >> lane & 1) {
            warp[lane].out[0] = here;
            warp[lane].state = READY;
        }
    return true;
}

static bool release_barrier(Block *block, u32 number)
{
    u32 arrived = 0, live = 0, said = 0;
    Thread *first = NULL;
    for (u32 i = 0; i < block->count; i++) {
        Thread *t = block->threads + i;
        live += t->state != DONE;
        if (t->state != AT_BARRIER || t->mask != number)
            continue;
        arrived++;
        said += t->in[0] != 0;
        if (first == NULL)
            first = t;
        if (t->operation != first->operation || t->wanted != first->wanted) {
            fail(block, "line %u: another barrier %u than in line %u", t->line, number,
                 first->line);
            return false;
        }
    }
    if (first == NULL || arrived < (first->wanted ? first->wanted : live))
        return false;
    u32 result = first->operation == AND  ? said == arrived
                 : first->operation == OR ? said != 0
                                          : said;
    const Thread *leader = first;
    for (u32 i = 0; i < block->count; i++) {
        Thread *t = block->threads + i;
        if (t->state != AT_BARRIER || t->mask != number)
            continue;
        if (t->number / WARP != leader->number / WARP)
            leader = t;
        if (t->aligned && t->line != leader->line) {
            fail(block,
                 "line %u: divergent barrier: thread %u waits there, but thread %u of the "
                 "same warp in line %u",
                 t->line, t->number, leader->number, leader->line);
            return false;
        }
        t->out[0] = result;
        t->state = READY;
    }
    return true;
}

/* Run the threads of one warp until none can go on without the other warps. */
static bool run_warp(Block *block, u8 *stacks, u32 first)
{
    Thread *warp = block->threads + first;
    u32 size = block->count - first < WARP ? block->count - first : WARP;
    bool progress = false, tired = false;
    for (;;) {
        for (u32 i = 0; i < size; i++) {
            u32 lane = block->launch->reverse ? size - 1 - i : i;
            Thread *t = warp + lane;
            if (t->state != READY)
                continue;
            resume(t, stacks + (size_t)t->number * STACK);
            if (block->failed)
                return false;
            progress = true;
            tired |= t->state == READY;
        }
        if (!release_group(warp, size)) {
            if (block->failed || tired || !release_activemask(warp, size))
                return progress && !block->failed;
        }
    }
}

static void describe_deadlock(Block *block)
{
    static const char *const WHAT[] = {"is ready", "waits at a barrier",
                                       "waits for its warp", "asks who is active", "ended"};
    char list[400] = "";
    size_t used = 0;
    u32 line = 0, shown = 0;
    for (u32 i = 0; i < block->count && shown < 4; i++) {
        const Thread *t = block->threads + i;
        if (t->state == DONE || t->line == line)
            continue;
        used += (size_t)snprintf(list + used, sizeof list - used, "; thread %u %s in line %u",
                                 i, WHAT[t->state], t->line);
        line = t->line;
        shown++;
    }
    fail(block, "line %u: no thread of block (%u, %u, %u) can go on%s", line, block->index[0],
         block->index[1], block->index[2], list);
}

static bool run_block(Block *block, u8 *stacks)
{
    for (;;) {
        bool progress = false, done = true;
        for (u32 i = 0, warps = (block->count + WARP - 1) / WARP; i < warps; i++) {
            u32 warp = block->launch->reverse ? warps - 1 - i : i;
            progress |= run_warp(block, stacks, warp * WARP);
            if (block->failed)
                return false;
        }
        for (u32 number = 0; number < 16; number++)
            progress |= release_barrier(block, number);
        if (block->failed)
            return false;
        for (u32 i = 0; i < block->count; i++)
            done &= block->threads[i].state == DONE;
        if (done)
            return true;
        if (!progress) {
            describe_deadlock(block);
            return false;
        }
    }
}

static void prepare_block(Block *block, u8 *local)
{
    const Launch *launch = block->launch;
    u32 bytes = block->kernel->local_bytes;
    memset(block->shared, POISON, block->shared_size);
    memset(local, POISON, (size_t)bytes * block->count);
    for (u32 i = 0; i < block->count; i++) {
        Thread *t = block->threads + i;
        memset(t, 0, offsetof(Thread, copies));
        t->block = block;
        t->parameters = launch->parameters;
        t->shared = block->shared;
        t->local = local + (size_t)i * bytes;
        t->tid[0] = i % launch->block[0];
        t->tid[1] = i / launch->block[0] % launch->block[1];
        t->tid[2] = i / launch->block[0] / launch->block[1];
        t->lane = i % WARP;
        t->number = i;
        t->fuel = launch->fuel;
        t->turn = PATIENCE;
    }
}

int run_grid(const Launch *launch, const Kernel *kernel)
{
    Block block = {.launch = launch, .kernel = kernel};
    block.count = launch->block[0] * launch->block[1] * launch->block[2];
    block.shared_size = kernel->static_shared;
    if (launch->dynamic_bytes)
        block.shared_size = kernel->dynamic_start + launch->dynamic_bytes;
    block.threads = malloc(sizeof(Thread) * block.count);
    block.shared = aligned_alloc(128, (block.shared_size / 128 + 1) * 128);
    size_t local_size = ((size_t)kernel->local_bytes * block.count / 128 + 1) * 128;
    u8 *local = aligned_alloc(128, local_size);
    size_t size = (size_t)block.count * STACK;
    u8 *stacks = mmap(NULL, size, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (!block.threads || !block.shared || !local || stacks == MAP_FAILED)
        fail(&block, "line 1: no memory for %u threads", block.count);
    else
        for (u32 i = 0; i < block.count; i++)
            mprotect(stacks + (size_t)i * STACK, GUARD, PROT_NONE);
    for (u32 i = 0; !block.failed && i < launch->grid[0] * launch->grid[1] * launch->grid[2];
         i++) {
        block.index[0] = i % launch->grid[0];
        block.index[1] = i / launch->grid[0] % launch->grid[1];
        block.index[2] = i / launch->grid[0] / launch->grid[1];
        prepare_block(&block, local);
        run_block(&block, stacks);
    }
    if (stacks != MAP_FAILED)
        munmap(stacks, size);
    free(local);
    free(block.shared);
    free(block.threads);
    return !block.failed;
}
