"""Reading machine code: instructions, loops, classes, and what they occupy."""

from collections import Counter
from pathlib import Path

import pytest

from bench import sass
from bench.sass import Loop, Program
from edgeproof.kernels.cuda.architectures import ARCHITECTURES

EXPAND = (Path(__file__).parent / "expand_sm_80.sass").read_text()
"""The kernel ``expansion.expand`` for sm_80, as nvdisasm printed it."""

LOOPS = """
        /*0000*/                   MOV R1, 0x1 ;
.L_x_0:
.L_x_1:
        /*0010*/              @!P0 BRA `(.L_x_3) ;
        /*0020*/                   IADD3 R1, R1, 0x1, RZ ;
        /*0030*/               @P0 BRA `(.L_x_1) ;
        /*0040*/                   IMAD R1, R1, R1, RZ ;
.L_x_2:
        /*0050*/                   LOP3.LUT R1, R1, R1, RZ, 0x3c, !PT ;
        /*0060*/                   BRA.U !UP0, `(.L_x_2) ;
        /*0070*/              @UP1 BRA.U `(.L_x_0) ;
.L_x_3:
        /*0080*/                   EXIT ;
.L_x_4:
        /*0090*/                   BRA `(.L_x_4);
"""


def test_a_real_kernel_is_one_loop_of_46_instructions() -> None:
    program = sass.parse(EXPAND)
    assert len(program.names) == 80
    assert program.loops == [Loop(21, 66)]
    counted = program.count(program.loops[0])
    assert counted.total() == 46
    assert counted["SHF.R.U64"] == 3
    assert counted["IMAD.WIDE.U32"] == 3
    assert sum(sass.classify(name) == "logic, add" for name in counted.elements()) == 20


def test_ways_back_to_one_start_are_one_loop_and_a_branch_to_itself_is_none() -> None:
    program = sass.parse(LOOPS)
    assert program.loops == [Loop(1, 7), Loop(5, 6)]
    assert list(program.innermost()) == [Loop(5, 6)]
    assert program.around(Loop(5, 6)) == Loop(1, 7)
    assert program.around(Loop(1, 7)) is None


def test_what_is_counted_outside_of_loops_and_in_them_is_all() -> None:
    program = sass.parse(LOOPS)
    outer, inner = program.loops
    assert program.count(None, without=[outer]) == {"MOV": 1, "EXIT": 1, "BRA": 1}
    parts = program.count(outer, without=[inner]) + program.count(inner)
    assert parts == program.count(outer)
    assert parts + program.count(None, without=[outer]) == program.count()


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("LOP3.LUT", "logic, add"),
        ("IADD3.X", "logic, add"),
        ("VIADD", "logic, add"),
        ("SHF.L.W.U32.HI", "shift"),
        ("IMAD.WIDE.U32", "IMAD"),
        ("IMAD.MOV.U32", "move"),
        ("CS2R", "move"),
        ("IMMA.16832.S8.S8", "IMMA, IDP"),
        ("IDP.4A.S8.S8", "IMMA, IDP"),
        ("LDSM.16.M88.4", "shared"),
        ("LDGSTS.E.BYPASS.128", "shared"),
        ("LDG.E.64", "global"),
        ("SHFL.IDX", "other"),
        ("UIADD3", "other"),
        ("BRA.U", "other"),
    ],
)
def test_instructions_have_a_class(name: str, family: str) -> None:
    assert sass.classify(name) == family
    assert family in sass.CLASSES


@pytest.mark.parametrize(
    ("name", "bytes_moved"),
    [
        ("LDS", 4),
        ("LDS.U.64", 8),
        ("STS.128", 16),
        ("STS.U8", 1),
        ("LDSM.16.M88.4", 16),
        ("LDSM.16.M88.2", 8),
        ("LDGSTS.E.BYPASS.128", 16),
    ],
)
def test_a_thread_moves_as_many_bytes_as_the_name_says(
    name: str, bytes_moved: int
) -> None:
    assert sass.width(name) == bytes_moved


def test_clocks_are_those_of_the_documented_rates() -> None:
    ampere = ARCHITECTURES[8, 0]
    counted = Counter(
        {
            "LOP3.LUT": 10,  # 320 threads' instructions on 64 lanes: 5 clocks
            "SHF.L.W.U32.HI": 4,  # 2 clocks more on the same
            "IDP.4A.S8.S8": 6,  # 3 clocks
            "IMMA.16832.S8.S8": 3,  # 3 * 4096 multiplications, 2048 a clock
            "LDS.64": 2,  # 2 * 32 * 8 bytes, 128 a clock
            "NOP": 7,  # takes nothing but its turn, as all 32 do: 4 at a time
        }
    )
    assert sass.clocks(counted, ampere) == {
        "integer": 7.0,
        "multiply": 3.0,
        "tensor": 6.0,
        "shared memory": 4.0,
        "issue": 8.0,
    }
    assert sass.multiplications(counted) == 6 * 4 * 32 + 3 * 4096
    assert sass.operations(counted) == 14


def test_a_program_without_loops_is_all_around() -> None:
    program = Program(["MOV", "EXIT"], [])
    assert list(program.innermost()) == []
    assert program.count() == {"MOV": 1, "EXIT": 1}
