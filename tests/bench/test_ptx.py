"""The report on CUDA kernels, from made-up code and from one real kernel."""

import importlib.util
from dataclasses import replace

import pytest

from bench import assembler, ptx, units
from bench.assembled import Assembled, read
from bench.steps import Steps
from edgeproof.kernels.cuda.catalogue import KERNELS

SAID = """ptxas info    : 8 bytes gmem, 8 bytes cmem[4]
ptxas info    : Function properties for search
    16 bytes stack frame, 12 bytes spill stores, 24 bytes spill loads
ptxas info    : Used 206 registers, used 1 barriers, 43008 bytes smem, 536 bytes cmem[0]
"""


def code(*names: str) -> str:
    """Return a loop of those instructions."""
    lines = [f"/*0000*/ {name} R0 ;" for name in names]
    return "\n".join([".L_0:", *lines, "/*0000*/ @P0 BRA `(.L_0) ;"])


SEARCH = code(*["SHF.L.W.U32.HI"] * 58, *["LOP3.LUT"] * 132)
PRODUCT = code(*["IMMA.16832.S8.S8"] * 64, "LDS.128")
BUILT = [
    Assembled("keccak.search", (8, 0), 128, 80, 0, 0, 0, SEARCH),
    Assembled("tensor_products.product_ampere", (8, 0), 128, 206, 43008, 0, 0, PRODUCT),
    Assembled("expansion.expand", (8, 0), 256, 12, 0, 0, 0, ""),
]


def test_what_ptxas_says_is_read() -> None:
    found = read("keccak.search", (8, 0), 128, SAID, "code")
    assert found == Assembled("keccak.search", (8, 0), 128, 206, 43008, 16, 36, "code")
    assert found.row == "keccak.search sm_80"


def test_a_report_counts_what_was_built() -> None:
    report = ptx.report("a CPU", BUILT)
    assert report.status(check=True) == 0
    assert report.figures == {
        "spilled bytes": 0,
        "integer operations per Keccak": 23 * 190,
        "share of int8 tensor peak, sm_80": 1.0,
    }
    needs = report.grids[ptx.RESOURCES]
    assert list(needs) == [kernel.row for kernel in BUILT]
    assert needs["keccak.search sm_80"]["occupancy"] == 24 / 64
    hashing = report.grids[ptx.HASHING]["keccak.search sm_80"]
    assert hashing["shift"] == 23 * 58
    assert hashing["clocks"] == 23 * 190 / 64
    multiplying = report.grids[ptx.MULTIPLYING]["tensor_products.product_ampere sm_80"]
    assert multiplying["IMMA, IDP"] == pytest.approx(1000 * 32 / 4096)


def test_spills_and_slow_code_miss() -> None:
    spilling = [*BUILT[1:], replace(BUILT[0], spilled=8)]
    report = ptx.report("a CPU", spilling)
    assert report.figures["spilled bytes"] == 8
    assert report.status(check=True) == 1
    longer = code(*["SHF.L.W.U32.HI"] * 58, *["LOP3.LUT"] * 150)
    slow = [*BUILT[1:], replace(BUILT[0], sass=longer)]
    assert ptx.report("a CPU", slow).status(check=True) == 1


def test_the_worst_architecture_decides() -> None:
    longer = code(*["SHF.L.W.U32.HI"] * 58, *["LOP3.LUT"] * 140)
    worse = replace(BUILT[0], capability=(9, 0), sass=longer)
    for order in ([*BUILT, worse], [worse, *BUILT]):
        assert ptx.report("a CPU", order).figures[ptx.OPERATIONS] == 23 * 198


def test_without_the_disassembler_only_resources_are_reported() -> None:
    report = ptx.report("a CPU", BUILT, "no nvdisasm")
    assert report.status(check=True) == 3
    assert list(report.grids) == [ptx.RESOURCES]
    assert report.skipped == {
        "instructions of keccak.search sm_80": "no nvdisasm",
        "instructions of tensor_products.product_ampere sm_80": "no nvdisasm",
        ptx.OPERATIONS: "no nvdisasm",
        ptx.TENSOR: "no nvdisasm",
    }


def test_code_that_is_not_understood_is_skipped_by_name() -> None:
    odd = Assembled("memory.fill", (8, 0), 128, 80, 0, 0, 0, code("LOP3.LUT"))
    report = ptx.report("a CPU", [*BUILT, odd])
    assert list(report.skipped) == ["instructions of memory.fill sm_80"]
    assert report.status(check=True) == 3


@pytest.mark.parametrize("missing", ["numba_cuda", "ptxas"])
def test_without_the_compilers_everything_is_skipped(
    missing: str, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name, *_: None if name == missing else find_spec(name),
    )
    monkeypatch.setattr(assembler, "find", lambda tool: None if tool == missing else "")
    report = ptx.bench(steps)
    assert set(report.skipped) == set(ptx.TARGETS)
    assert all("pip install" in reason for reason in report.skipped.values())
    assert report.status(check=True) == 3


def test_every_counted_kernel_exists_and_every_variant_is_one_it_suits() -> None:
    kernels = {kernel.name: kernel for kernel in KERNELS}
    assert set(units.UNITS) <= set(kernels)
    variants = assembler.variants()
    assert len(set(variants)) == len(variants) >= 50
    assert all(kernels[name].suits(capability) for name, capability in variants)


def test_one_real_kernel_is_compiled_and_counted() -> None:
    ptxas, nvdisasm = assembler.find("ptxas"), assembler.find("nvdisasm")
    if not ptxas or not nvdisasm:
        pytest.skip("ptxas and nvdisasm are not installed")
    built = assembler.assemble("memory.fill", (8, 0), ptxas, nvdisasm)
    report = ptx.report("a CPU", [built])
    shifts = report.grids[ptx.HASHING]["memory.fill sm_80"]["shift"]
    assert 24 * 58 <= shifts <= 24 * 60
    assert report.grids[ptx.RESOURCES]["memory.fill sm_80"]["registers"] > 50
