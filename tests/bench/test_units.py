"""What a unit of work costs: loops times their trips, or a clear refusal."""

import pytest

from bench import units
from bench.sass import Program, parse
from bench.units import N, NotUnderstoodError
from edgeproof.kernels.cuda import dot_products, tensor_products

ROUND = ["SHF.L.W.U32.HI"] * 58 + ["LOP3.LUT"] * 122


def program(*parts: list[str] | str) -> Program:
    """Build a kernel: lists of instructions, ``name:`` begins a loop, ``name`` ends."""
    lines = []
    for part in parts:
        if isinstance(part, list):
            lines += [f"/*0000*/ {name} R0, R1 ;" for name in part]
        elif part.endswith(":"):
            lines.append(f".L_{part}")
        else:
            lines.append(f"/*0000*/ @P0 BRA `(.L_{part}) ;")
    return parse("\n".join(lines))


def test_a_keccak_is_its_rounds_and_what_the_next_loop_has_around_them() -> None:
    made = program(
        ["S2R"], "nonce:", ["LDG"], "round:", ROUND, "round", ["ISETP"], "nonce"
    )
    counted = units.Keccak(23).count(made)
    assert counted["SHF.L.W.U32.HI"] == 23 * 58
    assert counted["BRA"] == 23 + 1
    assert (counted["LDG"], counted["ISETP"], counted["S2R"]) == (1, 1, 0)


def test_without_a_next_loop_the_whole_kernel_is_around_the_rounds() -> None:
    made = program(["LDG"], "round:", [*ROUND, *ROUND], "round", ["STG"])
    counted = units.Keccak(24).count(made)
    assert counted["LOP3.LUT"] == 24 * 122
    assert counted["BRA"] == 12
    assert (counted["LDG"], counted["STG"]) == (1, 1)


STAGE = ["IMMA.16832.S8.S8"] * 64
PRODUCT = units.Product(128, 64)


def test_a_product_is_its_stages_and_its_digests() -> None:
    half = ["LDS"] * 4
    made = program(
        ["S2R"], "stage:", STAGE, "stage", "one:", half, "one", "two:", half, "two"
    )
    counted = PRODUCT.count(made)
    assert counted["IMMA.16832.S8.S8"] * 4096 == 128 * 32 * N
    assert counted["LDS"] == 128
    assert counted["S2R"] == 1
    assert counted["BRA"] == N // 64 + 2 * 16


def test_stages_may_be_unrolled_or_be_loops_themselves() -> None:
    twice = PRODUCT.count(program("stage:", [*STAGE, *STAGE], "stage"))
    assert twice["IMMA.16832.S8.S8"] * 4096 == 128 * 32 * N
    assert twice["BRA"] == N // 128
    inner = program("stage:", ["BAR"], "part:", STAGE[:16], "part", "stage")
    nested = PRODUCT.count(inner)
    assert nested["IMMA.16832.S8.S8"] * 4096 == 128 * 32 * N
    assert nested["BAR"] == N // 64
    assert nested["BRA"] == N // 64 * (4 + 1)


@pytest.mark.parametrize(
    ("unit", "made", "said"),
    [
        (units.Keccak(24), program(ROUND), "no loop of rounds"),
        (units.Keccak(24), program("a:", ["LOP3.LUT"], "a"), "no loop of rounds"),
        (units.Keccak(24), program("a:", ROUND[1:], "a"), "57 rotations"),
        (units.Keccak(23), program("a:", [*ROUND, *ROUND], "a"), "23 rounds"),
        (PRODUCT, program(STAGE), "no loop of multiplications"),
        (PRODUCT, program("a:", STAGE[1:], "a"), "multiplications of a stage"),
        (
            PRODUCT,
            program("a:", STAGE, "a", "b:", ["LDS"] * 3, "b"),
            "128 reads of entries",
        ),
    ],
)
def test_code_that_is_built_otherwise_is_not_guessed_at(
    unit: units.Keccak | units.Product, made: Program, said: str
) -> None:
    with pytest.raises(NotUnderstoodError, match=said):
        unit.count(made)


def test_units_are_those_of_the_kernels() -> None:
    dots = units.Product(dot_products.ENTRIES, 4 * dot_products.DEPTH)
    assert units.UNITS["dot_products.product_plain"] == dots
    assert units.UNITS["dot_products.product_dp4a"] == dots
    tensors = units.Product(tensor_products.ACCUMULATORS, tensor_products.DEPTH)
    assert units.UNITS["tensor_products.product_ampere"] == tensors
    assert units.UNITS["tensor_products.product_turing"] == tensors
