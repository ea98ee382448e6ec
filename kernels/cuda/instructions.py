"""Instructions that Numba has no name for, as inline PTX.

Layouts of fragments are those of the PTX ISA manual, section "Warp Level Matrix
Multiply-Accumulate Instructions": of a warp's 32 lanes, lane l is in group g = l >> 2
and is number q = l & 3 of it.
"""

from collections.abc import Callable
from itertools import product
from typing import Any, cast

from llvmlite import ir
from numba.cuda import extending

from edgeproof.kernels.cuda.compiler import types

intrinsic = cast("Callable[[Callable[..., Any]], Any]", extending.intrinsic)
"""What it makes is called with one argument less: Numba passes the typing context."""

BITS32 = ir.IntType(32)
BITS64 = ir.IntType(64)
GLOBAL, SHARED = 1, 3
"""NVVM's numbers of the card's memory, and of what a block of threads shares."""


def _assembly(
    builder: Any,
    text: str,
    results: int,
    arguments: list[Any],
    constraints: str,
    *,
    effect: bool,
) -> list[Any]:
    """Emit one instruction with ``results`` 32-bit results, and return them."""
    kind: Any = ir.VoidType() if not results else BITS32
    if results > 1:
        kind = ir.LiteralStructType([BITS32] * results)
    function = ir.FunctionType(kind, [argument.type for argument in arguments])
    outputs = ",".join(["=r"] * results)
    every = ",".join(part for part in (outputs, constraints) if part)
    asm = ir.InlineAsm(function, text, every, side_effect=effect)
    value = builder.call(asm, arguments)
    if results < 2:
        return [value]
    return [builder.extract_value(value, place) for place in range(results)]


def _pure(text: str, results: int, arguments: int) -> Callable[..., Any]:
    """Return a code generator for an instruction without memory."""
    constraints = ",".join(["r"] * arguments)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        found = _assembly(builder, text, results, values, constraints, effect=False)
        if results == 1:
            return found[0]
        return context.make_tuple(builder, signature.return_type, found)

    return generate


@intrinsic
def dot4(_typing: Any, a: Any, b: Any, total: Any) -> Any:
    """Return ``total`` plus the product of each of four signed bytes; sm_61."""
    del a, b, total
    signature = types.int32(types.uint32, types.uint32, types.int32)
    return signature, _pure("dp4a.s32.s32 $0, $1, $2, $3;", 1, 3)


AMPERE_MULTIPLY = (
    "mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 "
    "{$0, $1, $2, $3}, {$4, $5, $6, $7}, {$8, $9}, {$10, $11, $12, $13};"
)
"""C + A B of a 16 x 32 and a 32 x 8 matrix of signed bytes; sm_80.

Byte k of a0 is A[g, 4 q + k], of a1 A[g + 8, 4 q + k], of a2 A[g, 16 + 4 q + k], of a3
A[g + 8, 16 + 4 q + k]; of b0 B[4 q + k, g], of b1 B[16 + 4 q + k, g]; c0 and c1 are
C[g, 2 q] and C[g, 2 q + 1], c2 and c3 those of row g + 8.
"""

TURING_MULTIPLY = (
    "mma.sync.aligned.m8n8k16.row.col.s32.s8.s8.s32 {$0, $1}, {$2}, {$3}, {$4, $5};"
)
"""C + A B of an 8 x 16 and a 16 x 8 matrix of signed bytes; sm_75.

Byte k of a is A[g, 4 q + k], of b B[4 q + k, g]; c0 and c1 are C[g, 2 q] and
C[g, 2 q + 1].
"""


def _ampere(builder: Any, a: list[Any], b: list[Any], c: list[Any]) -> list[Any]:
    """Emit one multiplication of fragments of 16 x 32 and 32 x 8."""
    constraints = ",".join(["r"] * 10)
    return _assembly(
        builder, AMPERE_MULTIPLY, 4, [*a, *b, *c], constraints, effect=False
    )


def _turing(builder: Any, a: list[Any], b: list[Any], c: list[Any]) -> list[Any]:
    """Emit the same in four quarters: rows 0 and 8, k 0 and 16."""

    def quarter(a: Any, b: Any, c: list[Any]) -> list[Any]:
        parts = [a, b, *c]
        return _assembly(builder, TURING_MULTIPLY, 2, parts, "r,r,r,r", effect=False)

    upper, lower = quarter(a[0], b[0], c[:2]), quarter(a[1], b[0], c[2:])
    return [*quarter(a[2], b[1], upper), *quarter(a[3], b[1], lower)]


def _element(context: Any, builder: Any, kind: Any, value: Any, place: int) -> Any:
    """Return the pointer to an array's element with a constant index."""
    data = context.make_array(kind)(context, builder, value).data
    return builder.gep(data, [ir.Constant(BITS64, place)])


def _multiply_tile(multiply: Callable[..., list[Any]]) -> Any:
    @intrinsic
    def multiply_tile(_typing: Any, sums: Any, a: Any, b: Any) -> Any:
        """Add the product of 64 x 32 and 32 x 64 bytes to a warp's 64 x 64 sums.

        ``a`` and ``b`` are four results of ``load_fragments`` each; of the array
        ``sums``, accumulator c of the fragment at rows 16 i and columns 8 j stands at
        32 i + 4 j + c.  Unrolled here: only constant places stay in registers, and
        NVVM unrolls such loops for some architectures and not for others.
        """

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            for i, j in product(range(4), range(8)):
                line = builder.extract_value(values[1], i)
                pair = builder.extract_value(values[2], j // 2)
                fragment_a = [builder.extract_value(line, k) for k in range(4)]
                fragment_b = [
                    builder.extract_value(pair, k + j % 2 * 2) for k in range(2)
                ]
                places = [
                    _element(
                        context,
                        builder,
                        signature.args[0],
                        values[0],
                        32 * i + 4 * j + k,
                    )
                    for k in range(4)
                ]
                before = [builder.load(place) for place in places]
                after = multiply(builder, fragment_a, fragment_b, before)
                for place, value in zip(places, after, strict=True):
                    builder.store(value, place)
            return context.get_dummy_value()

        return types.void(sums, a, b), generate

    return multiply_tile


multiply_tile_ampere = _multiply_tile(_ampere)
multiply_tile_turing = _multiply_tile(_turing)


@intrinsic
def park(_typing: Any, sums: Any, half: Any, address: Any) -> Any:
    """Write half 0 or 1, a literal, of 128 accumulators to shared memory.

    One of them every 128 bytes from ``address`` on, so that 32 lanes side by side meet
    no bank conflict.
    """
    if not isinstance(half, types.IntegerLiteral):
        return None

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        start = _narrow(builder, values[2])
        first = 64 * signature.args[1].literal_value
        for place in range(64):
            source = _element(
                context, builder, signature.args[0], values[0], first + place
            )
            to = builder.add(start, ir.Constant(BITS32, 128 * place))
            parts = [to, builder.load(source)]
            text = "st.shared.u32 [$0], $1;"
            _assembly(builder, text, 0, parts, "r,r,~{memory}", effect=True)
        return context.get_dummy_value()

    return types.void(sums, half, address), generate


def _narrow(builder: Any, value: Any) -> Any:
    """Return an integer of any width in 32 bits."""
    if value.type == BITS32:
        return value
    return builder.trunc(value, BITS32)


def _start(context: Any, builder: Any, kind: Any, value: Any, space: int) -> Any:
    """Return the pointer to an array's first element, in that address space."""
    data = context.make_array(kind)(context, builder, value).data
    return builder.addrspacecast(data, ir.PointerType(data.type.pointee, space))


@intrinsic
def shared_address(_typing: Any, array: Any) -> Any:
    """Return where an array in shared memory begins, in bytes."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        start = _start(context, builder, signature.args[0], values[0], SHARED)
        return builder.ptrtoint(start, BITS32)

    return types.uint32(array), generate


@intrinsic
def global_address(_typing: Any, array: Any) -> Any:
    """Return where an array in the card's memory begins, in bytes."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        start = _start(context, builder, signature.args[0], values[0], GLOBAL)
        return builder.ptrtoint(start, BITS64)

    return types.uint64(array), generate


@intrinsic
def load_fragments(_typing: Any, address: Any) -> Any:
    """Return four 8 x 16-byte matrices from shared memory, one register each; sm_75.

    Lane l names the address, a multiple of 16, of row l % 8 of matrix l / 8; it gets
    bytes 4 q to 4 q + 3 of row g of each matrix.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        text = "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {$0, $1, $2, $3}, [$4];"
        place = [_narrow(builder, values[0])]
        # Reads memory that other threads write: it must stay between the barriers.
        found = _assembly(builder, text, 4, place, "r,~{memory}", effect=True)
        return context.make_tuple(builder, signature.return_type, found)

    return types.UniTuple(types.uint32, 4)(address), generate


@intrinsic
def copy_16_bytes(_typing: Any, to: Any, source: Any) -> Any:
    """Begin to copy 16 bytes from global to shared memory; sm_80.

    Both addresses are multiples of 16.
    """

    def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        text = "cp.async.cg.shared.global [$0], [$1], 16;"
        places = [_narrow(builder, values[0]), values[1]]
        _assembly(builder, text, 0, places, "r,l,~{memory}", effect=True)
        return context.get_dummy_value()

    return types.void(to, source), generate


@intrinsic
def wait_for_copies(_typing: Any) -> Any:
    """Wait until this thread's copies have arrived; sm_80."""

    def generate(context: Any, builder: Any, _signature: Any, _values: Any) -> Any:
        _assembly(builder, "cp.async.wait_all;", 0, [], "~{memory}", effect=True)
        return context.get_dummy_value()

    return types.void(), generate


@intrinsic
def load_16_bytes(_typing: Any, source: Any) -> Any:
    """Return the four words at an address in global memory, a multiple of 16."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        text = "ld.global.v4.u32 {$0, $1, $2, $3}, [$4];"
        found = _assembly(builder, text, 4, values, "l,~{memory}", effect=True)
        return context.make_tuple(builder, signature.return_type, found)

    return types.UniTuple(types.uint32, 4)(source), generate


@intrinsic
def store_16_bytes(_typing: Any, to: Any, found: Any) -> Any:
    """Write four words to an address in shared memory, a multiple of 16."""

    def generate(context: Any, builder: Any, _signature: Any, values: Any) -> Any:
        text = "st.shared.v4.u32 [$0], {$1, $2, $3, $4};"
        parts = [builder.extract_value(values[1], place) for place in range(4)]
        places = [_narrow(builder, values[0]), *parts]
        _assembly(builder, text, 0, places, "r,r,r,r,r,~{memory}", effect=True)
        return context.get_dummy_value()

    return types.void(to, found), generate
