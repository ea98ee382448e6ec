"""The specification quotes the code; here is what keeps the quotes true."""

import json
import re
from pathlib import Path

import pytest

from bench import cheaters
from edgeproof.audit import layout
from edgeproof.kernels.shapes import WALK_READS
from edgeproof.proofs import matmul, memory, proof_of_work
from edgeproof.proofs.parameters import Parameters, Phase, demo
from edgeproof.proofs.reasons import Reason
from edgeproof.simulator.cheats.catalogue import CHEATS
from edgeproof.telemetry.message import Message, type_string

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "protocol.md").read_text()
PAGES = sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").glob("*.md"))


def rows(heading: str) -> set[tuple[str, ...]]:
    """Return the cells of the table in a section, without head and rule."""
    section = TEXT.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")][2:]
    return {tuple(c.strip() for c in line.strip("|").split("|")) for line in lines}


def test_the_reason_table_is_the_one_table() -> None:
    assert rows("11. Reason codes") == {
        (str(int(reason)), reason.name, reason.text) for reason in Reason if reason
    }


def test_every_message_stands_with_its_tag_and_type() -> None:
    assert {row[:2] for row in rows("3. Messages")} == {
        (str(cls.TAG), f"`{type_string(cls)}`") for cls in Message.__subclasses__()
    }


def test_the_parameters_are_those_of_the_code() -> None:
    def shown(value: object) -> str:
        return ", ".join(map(str, value)) if isinstance(value, list) else str(value)

    standard, small = Parameters(genesis=1).as_json(), demo(1).as_json()
    assert rows("12. Parameters") == {
        (name, shown(standard[name]), shown(small[name]))
        for name in standard
        if name != "genesis"
    }


def test_the_tables_of_a_bundle_are_those_of_the_code() -> None:
    assert rows("8. Bundle") == {
        (
            f"`{table.file}`",
            ", ".join(f"{name} {kind.solidity}" for name, kind in table.columns),
        )
        for table in layout.TABLES
    }


def test_the_table_of_cheats_is_that_of_the_catalogue() -> None:
    table = TEXT.split(cheaters.BEGIN)[1].split(cheaters.END)[0]
    found = [
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in table.split("\n\n")[0].splitlines()[2:]
    ]
    networks = cheaters.FULL.networks
    assert found == [
        (
            f"`{kind}`",
            cheat.description,
            cheat.refused.name if cheat.refused else "",
            cheaters.why(cheat),
            f"{networks} of {networks}",
        )
        for kind, cheat in CHEATS.items()
    ]


def test_what_is_invented_was_caught_as_often_as_the_bound_says() -> None:
    rows = re.findall(
        r"^\| (tiles|lanes) \| ([\d.]+)% \| (\d+) of (\d+)", TEXT, re.MULTILINE
    )
    assert len(rows) == 2 * len(cheaters.FRACTIONS)
    passes = {"tiles": matmul.pass_probability, "lanes": memory.pass_probability}
    for what, share, caught, draws in rows:
        assert int(draws) == cheaters.FULL.draws
        expected = 1 - passes[what](float(share) / 100)
        rate = cheaters.Rate(float(share), int(caught), int(draws), expected)
        assert rate.error < cheaters.SIGMAS
    (honest,) = re.findall(r"random cards: .* \| ([\d,]+) \| (\d+) \|", TEXT)
    assert honest == (f"{cheaters.FULL.proofs:,}", "0")


def test_the_numbers_of_the_argument_are_those_of_the_code() -> None:
    def percent(share: float) -> str:
        return f"{100 * share:.3g} %" if share > 1e-5 else f"{share:.3g}"

    argument = TEXT.split("\n## 15. The argument\n")[1]
    network = Parameters(genesis=1)
    invented = [
        f"| {f:.0%} | {percent(matmul.pass_probability(f))} |"
        f" {percent(memory.pass_probability(f))} |"
        f" {matmul.pass_probability(f) / (1 - f):.3g} |".replace("%", " %", 1)
        for f in cheaters.FRACTIONS
    ]
    most = [
        f"| {name} | {percent(1 - chance ** (1 / matmul.OPENINGS))} |"
        f" {percent(1 - chance ** (1 / memory.OPENINGS))} |"
        for name, chance in (("1 %", 1e-2), ("1e-06", 1e-6), ("1e-09", 1e-9))
    ]
    lanes = {m: 1 - (1 - m) ** WALK_READS for m in (0.001, 0.01)}
    missing = [
        f"| {100 * m:g} % | {percent(wrong)} |"
        f" {percent(memory.pass_probability(wrong))} |"
        for m, wrong in lanes.items()
    ]
    phases = [ms / 1000 for ms in network.phase_ms]
    strassen = [f"{(8 / 7) ** level:.3f}" for level in (1, 2, 3)]
    lengths = ", ".join(f"{length:g}" for length in phases[:-1])
    errors = [percent(proof_of_work.relative_error(n)) for n in (512, 1024)]
    unheld = memory.unheld(network.phase_ms[Phase.FILL], network.phase_ms[Phase.WALK])
    lost = [f"{0.2 / phases[p]:.0%}"[:-1] for p in (Phase.MATMUL, Phase.WALK)]
    tries = round(1 / matmul.pass_probability(0.1), -1)
    sizes = f"{network.opened_tiles} tiles, {network.opened_lanes} lanes"
    for said in (
        *invented,
        *most,
        *missing,
        f"{strassen[0]} for one, {strassen[1]} for two, {strassen[2]} for three",
        f"{sizes}, R = {network.fill_permutations}",
        f"phases of {lengths} and {phases[-1]:g} s",
        f"of its time: {unheld:.2f}",
        f"{errors[0]} where 512 are expected and {errors[1]} at 1024",
        f"10 % after {tries:g}",
        f"{lost[0]} % of a matmul phase is lost and {lost[1]} % of a walk's",
    ):
        assert said in argument


def test_every_cheat_stands_in_the_argument_or_in_its_table() -> None:
    argument = TEXT.split("\n## 15. The argument\n")[1]
    named = set(re.findall(r"`([a-z]+(?:-[a-z]+)+)`", argument))
    assert named <= set(CHEATS)
    assert len(named) >= 30


def test_quoted_vectors_are_the_vectors() -> None:
    blocks = re.findall(r"```vectors (\S+)\n(.*?)```", TEXT, re.DOTALL)
    assert len(blocks) == 6
    for name, body in blocks:
        vectors = json.loads((ROOT / "tests" / "vectors" / name).read_text())
        for line in body.splitlines():
            field, _, value = line.partition(" ")
            assert str(vectors[field]) == value, f"{name}: {field}"


def test_the_annotated_seal_is_the_encoded_one() -> None:
    block = TEXT.split("One seal, byte by byte:")[1].split("```")[1]
    quoted = "".join(line.split()[0] for line in block.strip().splitlines())
    vectors = json.loads((ROOT / "tests" / "vectors" / "messages.json").read_text())
    assert quoted == vectors["seal_encoded"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target
