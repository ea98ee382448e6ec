/* What PTX's arithmetic does where C has no operator for it, or another opinion.

   Source of each: "PTX ISA", chapter "Instruction Set". */

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8, b8;
typedef uint16_t u16, b16;
typedef uint32_t u32, b32;
typedef uint64_t u64, b64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;
typedef float f32;
typedef double f64;
typedef bool pred;
typedef unsigned __int128 u128;
typedef __int128 s128;

static inline f32 as_f32(u32 bits) { f32 x; memcpy(&x, &bits, 4); return x; }
static inline f64 as_f64(u64 bits) { f64 x; memcpy(&x, &bits, 8); return x; }

/* Arithmetic on f32 answers every NaN with this one; f64 keeps the host's. */
static inline u32 bits_f32(f32 x)
{
    u32 bits;
    memcpy(&bits, &x, 4);
    return x != x ? 0x7fffffffu : bits;
}
static inline u64 bits_f64(f64 x) { u64 bits; memcpy(&bits, &x, 8); return bits; }

/* A NaN loses against a number, and -0 is less than +0. */
#define FLOAT_EXTREMES(T)                                                            \
    static inline T min_##T(T a, T b)                                                \
    {                                                                                \
        return a != a ? b : b != b ? a : a == b ? (signbit(a) ? a : b) : a < b ? a : b; \
    }                                                                                \
    static inline T max_##T(T a, T b)                                                \
    {                                                                                \
        return a != a ? b : b != b ? a : a == b ? (signbit(a) ? b : a) : a > b ? a : b; \
    }
FLOAT_EXTREMES(f32)
FLOAT_EXTREMES(f64)

/* The most negative number divided by -1 is itself; on x86 C would trap. */
#define SIGNED_DIVISION(T)                                                           \
    static inline T div_##T(T a, T b) { return b == -1 ? (T)(0 - (u64)a) : (T)(a / b); } \
    static inline T rem_##T(T a, T b) { return b == -1 ? 0 : (T)(a % b); }
SIGNED_DIVISION(s16)
SIGNED_DIVISION(s32)
SIGNED_DIVISION(s64)

/* Shifts by the width or more give what repeated shifts by one would. */
#define SHIFTS(BITS)                                                                 \
    static inline u##BITS shl_##BITS(u##BITS a, u32 n)                               \
    {                                                                                \
        return n >= BITS ? 0 : (u##BITS)(a << n);                                    \
    }                                                                                \
    static inline u##BITS shr_u##BITS(u##BITS a, u32 n)                              \
    {                                                                                \
        return n >= BITS ? 0 : (u##BITS)(a >> n);                                    \
    }                                                                                \
    static inline s##BITS shr_s##BITS(s##BITS a, u32 n)                              \
    {                                                                                \
        return (s##BITS)(a >> (n >= BITS ? BITS - 1 : n));                           \
    }
SHIFTS(16)
SHIFTS(32)
SHIFTS(64)

/* n is at most 32: wrap takes it modulo 32, clamp the lesser of it and 32. */
static inline u32 shf_l(u32 low, u32 high, u32 n)
{
    return (u32)((u128)(((u64)high << 32) | low) << n >> 32);
}
static inline u32 shf_r(u32 low, u32 high, u32 n)
{
    return (u32)((((u64)high << 32) | low) >> n);
}

static inline u32 prmt(u32 a, u32 b, u32 selector)
{
    u64 bytes = ((u64)b << 32) | a;
    u32 result = 0;
    for (int i = 0; i < 4; i++) {
        u32 choice = selector >> (4 * i);
        u8 byte = (u8)(bytes >> (8 * (choice & 7)));
        if (choice & 8)
            byte = byte & 0x80 ? 0xff : 0;
        result |= (u32)byte << (8 * i);
    }
    return result;
}

/* Bit (4a + 2b + c) of the table is the result for the bits a, b, c. */
static inline u32 lop3(u32 a, u32 b, u32 c, u32 table)
{
    u32 result = 0;
    for (u32 i = 0; i < 8; i++)
        if (table >> i & 1)
            result |= (i & 4 ? a : ~a) & (i & 2 ? b : ~b) & (i & 1 ? c : ~c);
    return result;
}

static inline u64 low_bits(u32 count) { return count >= 64 ? ~0ull : (1ull << count) - 1; }

static inline u64 bfe(u64 a, u32 position, u32 length, u32 bits, bool is_signed)
{
    position &= 0xff;
    length &= 0xff;
    u64 field = position >= 64 ? 0 : a >> position & low_bits(length);
    u32 top = position + length - 1;
    if (top > bits - 1)
        top = bits - 1;
    if (is_signed && length != 0 && a >> top & 1)
        field |= ~low_bits(position > top ? 0 : top - position + 1);
    return field & low_bits(bits);
}

static inline u64 bfi(u64 a, u64 b, u32 position, u32 length, u32 bits)
{
    position &= 0xff;
    length &= 0xff;
    if (position >= bits)
        return b;
    u64 mask = low_bits(length) << position;
    return (b & ~mask) | (a << position & mask);
}

static inline u32 clz(u64 a, u32 bits) { return a ? (u32)__builtin_clzll(a) - (64 - bits) : bits; }

static inline u64 brev(u64 a, u32 bits)
{
    u64 result = 0;
    for (u32 i = 0; i < bits; i++)
        result |= (a >> i & 1) << (bits - 1 - i);
    return result;
}

/* The place of the highest bit that is no sign, counted from below or from above. */
static inline u32 bfind(u64 a, u32 bits, bool is_signed, bool from_above)
{
    if (is_signed && a >> (bits - 1) & 1)
        a = ~a & low_bits(bits);
    if (a == 0)
        return 0xffffffffu;
    u32 place = 63 - (u32)__builtin_clzll(a);
    return from_above ? bits - 1 - place : place;
}

static inline s32 part(u32 word, u32 index, u32 bits, bool is_signed)
{
    u32 field = word >> (index * bits) & ((1u << bits) - 1);
    return is_signed && field >> (bits - 1) ? (s32)(field - (1u << bits)) : (s32)field;
}

static inline u32 dp4a(u32 a, u32 b, u32 c, bool a_signed, bool b_signed)
{
    for (u32 i = 0; i < 4; i++)
        c += (u32)part(a, i, 8, a_signed) * (u32)part(b, i, 8, b_signed);
    return c;
}

/* first is 0 (lo) or 2 (hi): which two bytes of b meet the halves of a. */
static inline u32 dp2a(u32 a, u32 b, u32 c, u32 first, bool a_signed, bool b_signed)
{
    for (u32 i = 0; i < 2; i++)
        c += (u32)part(a, i, 16, a_signed) * (u32)part(b, first + i, 8, b_signed);
    return c;
}

/* a + b + carry, or a - b - carry; *out is the carry, or the borrow. */
static inline u64 add_carry(u64 a, u64 b, u64 carry, u32 bits, u32 *out)
{
    u128 sum = (u128)a + b + carry;
    *out = (u32)(sum >> bits) & 1;
    return (u64)sum & low_bits(bits);
}
static inline u64 sub_borrow(u64 a, u64 b, u64 borrow, u32 bits, u32 *out)
{
    u128 difference = (u128)a - b - borrow;
    *out = (u32)(difference >> bits) & 1;
    return (u64)difference & low_bits(bits);
}

/* x is integral, rounded as the instruction says; what lies outside the type is
   clamped, and a NaN is 0, or for 64 bits on either side the sign bit alone. */
static inline u64 to_unsigned(f64 x, u32 bits, bool wide)
{
    if (x != x)
        return wide ? 1ull << (bits - 1) : 0;
    if (x <= 0)
        return 0;
    return x >= ldexp(1, (int)bits) ? low_bits(bits) : (u64)x;
}
static inline s64 to_signed(f64 x, u32 bits, bool wide)
{
    s64 least = (s64)(~0ull << (bits - 1));
    if (x != x)
        return wide ? least : 0;
    if (x <= (f64)least)
        return least;
    return x >= ldexp(1, (int)bits - 1) ? (s64)low_bits(bits - 1) : (s64)x;
}
