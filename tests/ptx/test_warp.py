"""Shuffles, votes, matches and reductions of a warp."""

from collections.abc import Callable
from functools import reduce

import pytest

from tests.ptx.kernels import kernel, results
from tests.ptx.run import LaunchError

ALL = 0xFFFFFFFF
LANES = range(32)


def shuffled(mode: str, lane: int, b: int, c: int) -> tuple[int, bool]:
    """Return the lane read and whether it was in range, as the manual's code has it."""
    segment = c >> 8 & 31
    most = (lane & segment) | (c & 31 & ~segment)
    j = {
        "up": lane - b,
        "down": lane + b,
        "bfly": lane ^ b,
        "idx": (lane & segment) | (b & ~segment),
    }[mode]
    inside = j >= most if mode == "up" else j <= most
    return (j if inside else lane), inside


@pytest.mark.parametrize(
    ("mode", "b", "c"),
    [
        ("up", 1, 0),
        ("up", 5, 0),
        ("up", 1, 0x1800),
        ("down", 1, 31),
        ("down", 16, 31),
        ("down", 1, 0x181F),
        ("down", 3, 0x1007),
        ("bfly", 1, 31),
        ("bfly", 16, 31),
        ("bfly", 16, 0x0F),
        ("idx", 0, 31),
        ("idx", 7, 31),
        ("idx", 9, 0x181F),
        ("idx", 9, 4),
    ],
)
def test_a_shuffle_reads_the_lane_that_the_manual_says(
    mode: str, b: int, c: int
) -> None:
    program = kernel(
        f"""add.u32 %a1, %thread, 100;
        shfl.sync.{mode}.b32 %a2|%p1, %a1, {b}, {c}, 0xffffffff;
        selp.u32 %a3, 1000, 0, %p1;
        add.u32 %result, %a2, %a3;"""
    )
    expected = [shuffled(mode, lane, b, c) for lane in LANES]
    assert results(program, 32) == [
        100 + lane + 1000 * inside for lane, inside in expected
    ]


def test_each_lane_may_ask_another() -> None:
    program = kernel(
        "xor.b32 %a1, %thread, 21; shfl.sync.idx.b32 %result, %thread, %a1, 31, -1;"
    )
    assert results(program, 32) == [lane ^ 21 for lane in LANES]


def test_warps_shuffle_apart_from_each_other() -> None:
    program = kernel("shfl.sync.idx.b32 %result, %thread, 3, 31, -1;")
    assert results(program, 96) == [3] * 32 + [35] * 32 + [67] * 32


def test_what_an_absent_lane_would_say_is_poison() -> None:
    program = kernel("shfl.sync.down.b32 %result, %thread, 2, 31, 0xf;")
    assert results(program, 4) == [2, 3, 0xA5A5A5A5, 0xA5A5A5A5]


def vote(mode: str, said: list[int]) -> int:
    ballot = sum(each << lane for lane, each in enumerate(said))
    return {
        "all": int(all(said)),
        "any": int(any(said)),
        "uni": int(all(said) or not any(said)),
        "ballot": ballot,
    }[mode]


@pytest.mark.parametrize("mode", ["all", "any", "uni", "ballot"])
@pytest.mark.parametrize("limit", [0, 1, 7, 32])
@pytest.mark.parametrize("sign", ["", "!"])
def test_a_vote_counts_what_all_lanes_said(mode: str, limit: int, sign: str) -> None:
    ask = {
        "ballot": f"vote.sync.ballot.b32 %result, {sign}%p1, -1;",
    }.get(
        mode,
        f"vote.sync.{mode}.pred %p2, {sign}%p1, -1; selp.u32 %result, 1, 0, %p2;",
    )
    program = kernel(f"setp.lt.u32 %p1, %thread, {limit}; {ask}")
    said = [int((lane < limit) != bool(sign)) for lane in LANES]
    assert results(program, 32) == [vote(mode, said)] * 32


def test_halves_of_a_warp_vote_apart() -> None:
    program = kernel(
        """setp.lt.u32 %p1, %thread, 16;
        @%p1 bra low;
        vote.sync.ballot.b32 %result, true, 0xffff0000;
        bra done;
        low: and.b32 %a1, %thread, 1; setp.ne.u32 %p2, %a1, 0;
        vote.sync.ballot.b32 %result, %p2, 0x0000ffff;
        done:""".replace("true", "1")
    )
    assert results(program, 32) == [0xAAAA] * 16 + [0xFFFF0000] * 16


def test_match_any_finds_the_lanes_with_the_same_value() -> None:
    program = kernel(
        "rem.u32 %a1, %thread, 3; match.any.sync.b32 %result, %a1, 0xffffffff;"
    )
    same = [sum(1 << j for j in LANES if j % 3 == i) for i in range(3)]
    assert results(program, 32) == [same[lane % 3] for lane in LANES]


@pytest.mark.parametrize(("divisor", "expected"), [(32, ALL), (16, 0)])
def test_match_all_tells_whether_all_are_the_same(divisor: int, expected: int) -> None:
    program = kernel(
        f"""div.u32 %a1, %thread, {divisor}; cvt.u64.u32 %b1, %a1;
        match.all.sync.b64 %result|%p1, %b1, 0xffffffff;
        @%p1 not.b32 %result, %result;"""
    )
    assert results(program, 32) == [expected ^ (ALL if expected else 0)] * 32


def signed(value: int) -> int:
    return value - (value >> 31 << 32)


REDUCTIONS: dict[str, Callable[[int, int], int]] = {
    "add.u32": lambda a, b: (a + b) % 2**32,
    "add.s32": lambda a, b: (a + b) % 2**32,
    "min.u32": min,
    "max.u32": max,
    "min.s32": lambda a, b: min(a, b, key=signed),
    "max.s32": lambda a, b: max(a, b, key=signed),
    "and.b32": lambda a, b: a & b,
    "or.b32": lambda a, b: a | b,
    "xor.b32": lambda a, b: a ^ b,
}


@pytest.mark.parametrize("operation", REDUCTIONS)
def test_redux_combines_all_lanes(operation: str) -> None:
    program = kernel(
        f"""mul.lo.u32 %a1, %thread, 0x10000021; add.u32 %a1, %a1, 0x70000100;
        redux.sync.{operation} %result, %a1, 0xffffffff;"""
    )
    values = [(lane * 0x10000021 + 0x70000100) % 2**32 for lane in LANES]
    assert results(program, 32) == [reduce(REDUCTIONS[operation], values)] * 32


def test_activemask_names_the_lanes_that_are_there() -> None:
    program = kernel(
        """setp.lt.u32 %p1, %thread, 5;
        @%p1 bra few;
        activemask.b32 %result;
        bra done;
        few: activemask.b32 %result;
        done:"""
    )
    assert results(program, 32) == [0x1F] * 5 + [ALL - 0x1F] * 27


def test_lanes_know_their_numbers() -> None:
    program = kernel(
        """mov.u32 %a1, %laneid; mov.u32 %a2, %lanemask_lt; popc.b32 %a2, %a2;
        mov.u32 %a3, %lanemask_ge; popc.b32 %a3, %a3; mov.u32 %a4, %warpid;
        mad.lo.u32 %result, %a1, 100, %a2; mad.lo.u32 %result, %result, 100, %a3;
        mad.lo.u32 %result, %result, 10, %a4; mov.u32 %a5, %lanemask_gt;
        mov.u32 %a6, %lanemask_le; xor.b32 %a5, %a5, %a6; not.b32 %a5, %a5;
        add.u32 %result, %result, %a5; mov.u32 %a7, %lanemask_eq;
        shr.u32 %a7, %a7, %a1; add.u32 %result, %result, %a7;
        sub.u32 %result, %result, WARP_SZ;"""
    )
    assert results(program, 64) == [
        lane * 100000 + lane * 1000 + (32 - lane) * 10 + warp + 1 - 32
        for warp in range(2)
        for lane in LANES
    ]


def test_a_loop_may_end_at_another_time_in_each_lane() -> None:
    program = kernel(
        """mov.u32 %a1, 0;
        again: activemask.b32 %a2; popc.b32 %a2, %a2; add.u32 %result, %result, %a2;
        add.u32 %a1, %a1, 1; setp.le.u32 %p1, %a1, %thread; @%p1 bra again;"""
    )
    assert results(program, 32) == [
        sum(32 - turn for turn in range(lane + 1)) for lane in LANES
    ]


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        ("shfl.sync.idx.b32 %result, %thread, 0, 31, 0xfffffffe;", "lacks lane 0"),
        (
            """setp.eq.u32 %p1, %thread, 3; @%p1 bra other;
            bar.warp.sync 0xffffffff; bra done;
            other: bar.sync 0;
            done:""",
            r"can go on; thread 0 waits for its warp in line \d+; thread 3 waits at a",
        ),
        (
            """setp.lt.u32 %p1, %thread, 16;
            @%p1 shfl.sync.idx.b32 %a1, %a0, 0, 31, -1;
            @!%p1 shfl.sync.up.b32 %a1, %a0, 0, 31, -1;""",
            "can go on",
        ),
    ],
)
def test_lanes_that_wait_in_vain_are_reported(statements: str, reason: str) -> None:
    with pytest.raises(LaunchError, match=reason):
        results(kernel(statements), 32)
