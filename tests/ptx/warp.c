/* What the threads of a warp do together.  All operands are 32 or 64 bits in `in`. */

/* in: value, b, c; out: value, whether the other lane was in range. */
static void shuffle(Thread *warp, u32 members, u32 lane)
{
    Thread *t = warp + lane;
    u32 b = t->in[1] & 31, segment = t->in[2] >> 8 & 31;
    u32 least = lane & segment, most = least | (t->in[2] & 31 & ~segment);
    s32 from = (s32)lane;
    bool inside;
    switch (t->operation) {
    case SHFL_UP: from -= (s32)b; inside = from >= (s32)most; break;
    case SHFL_DOWN: from += (s32)b; inside = from <= (s32)most; break;
    case SHFL_BFLY: from ^= (s32)b; inside = from <= (s32)most; break;
    default: from = (s32)(least | (b & ~segment)); inside = from <= (s32)most; break;
    }
    if (!inside)
        from = (s32)lane;
    t->out[0] = members >> from & 1 ? warp[from].in[0] : 0xa5a5a5a5u;
    t->out[1] = inside;
}

static u64 redux(Thread *warp, u32 members, u32 operation)
{
    bool first = true;
    u32 sum = 0;
    for (u32 lane = 0; lane < WARP; lane++) {
        if (!(members >> lane & 1))
            continue;
        u32 value = (u32)warp[lane].in[0];
        if (first)
            sum = value;
        else
            switch (operation) {
            case REDUX_ADD: sum += value; break;
            case REDUX_MIN_U32: sum = value < sum ? value : sum; break;
            case REDUX_MAX_U32: sum = value > sum ? value : sum; break;
            case REDUX_MIN_S32: sum = (s32)value < (s32)sum ? value : sum; break;
            case REDUX_MAX_S32: sum = (s32)value > (s32)sum ? value : sum; break;
            case REDUX_AND: sum &= value; break;
            case REDUX_OR: sum |= value; break;
            default: sum ^= value; break;
            }
        first = false;
    }
    return sum;
}

/* in: address of a row; out: a pair of elements from each of `wanted` matrices. */
static void ldmatrix(Thread *warp, bool transposed)
{
    for (u32 lane = 0; lane < WARP; lane++)
        for (u32 matrix = 0; matrix < warp->wanted; matrix++) {
            u16 pair[2];
            for (u32 i = 0; i < 2; i++) {
                Place place = LDMATRIX_PLACES[2 * lane + i];
                u32 row = transposed ? place.column : place.row;
                u32 column = transposed ? place.row : place.column;
                memcpy(pair + i, warp->shared + warp[8 * matrix + row].in[0] + 2 * column, 2);
            }
            warp[lane].out[matrix] = pair[0] | (u32)pair[1] << 16;
        }
}

static s32 element(const Thread *t, u32 first, u32 index, bool is_signed)
{
    return part((u32)t->in[first + index / 4], index % 4, 8, is_signed);
}

/* in: the registers of A, B and C, in that order; `wanted` bit 0: A signed; 1: B. */
__attribute__((optimize("O3"))) static void mma(Thread *warp, const Shape *shape)
{
    s32 a[16][32], b[8][32], c[16][8];
    u32 a_count = shape->rows * shape->depth / WARP, b_count = 8 * shape->depth / WARP;
    u32 c_count = shape->rows * 8 / WARP, c_first = (a_count + b_count) / 4;
    for (u32 lane = 0; lane < WARP; lane++) {
        const Thread *t = warp + lane;
        for (u32 i = 0; i < a_count; i++) {
            Place place = shape->a[lane * a_count + i];
            a[place.row][place.column] = element(t, 0, i, warp->wanted & 1);
        }
        for (u32 i = 0; i < b_count; i++) {
            Place place = shape->b[lane * b_count + i];
            b[place.column][place.row] = element(t, a_count / 4, i, warp->wanted & 2);
        }
        for (u32 i = 0; i < c_count; i++) {
            Place place = shape->c[lane * c_count + i];
            c[place.row][place.column] = (s32)t->in[c_first + i];
        }
    }
    for (u32 lane = 0; lane < WARP; lane++)
        for (u32 i = 0; i < c_count; i++) {
            Place place = shape->c[lane * c_count + i];
            u32 sum = (u32)c[place.row][place.column];
            for (u32 k = 0; k < shape->depth; k++)
                sum += (u32)(a[place.row][k] * b[place.column][k]);
            warp[lane].out[i] = sum;
        }
}

/* Do for all members what they wait for; they agree on operation and mask. */
static void perform(Thread *warp, u32 members)
{
    Thread *first = warp + __builtin_ctz(members);
    u32 operation = first->operation, votes = 0;
    bool same = true;
    for (u32 lane = 0; lane < WARP; lane++)
        if (members >> lane & 1) {
            votes |= (warp[lane].in[0] != 0 ? 1u : 0u) << lane;
            same &= warp[lane].in[0] == first->in[0];
        }
    if (operation >= MMA)
        mma(warp, SHAPES + (operation - MMA));
    else if (operation >= LDMATRIX)
        ldmatrix(warp, operation == LDMATRIX_TRANS);
    else
        for (u32 lane = 0; lane < WARP; lane++) {
            Thread *t = warp + lane;
            if (!(members >> lane & 1))
                continue;
            if (operation >= REDUX_ADD)
                t->out[0] = redux(warp, members, operation);
            else if (operation >= SHFL_UP && operation <= SHFL_IDX)
                shuffle(warp, members, lane);
            else if (operation == VOTE_ALL)
                t->out[0] = votes == members;
            else if (operation == VOTE_ANY)
                t->out[0] = votes != 0;
            else if (operation == VOTE_UNI)
                t->out[0] = votes == 0 || votes == members;
            else if (operation == VOTE_BALLOT)
                t->out[0] = votes;
            else if (operation == MATCH_ALL) {
                t->out[0] = same ? members : 0;
                t->out[1] = same;
            } else if (operation == MATCH_ANY) {
                t->out[0] = 0;
                for (u32 i = 0; i < WARP; i++)
                    if (members >> i & 1 && warp[i].in[0] == t->in[0])
                        t->out[0] |= 1u << i;
            }
        }
    for (u32 lane = 0; lane < WARP; lane++)
        if (members >> lane & 1)
            warp[lane].state = READY;
}
