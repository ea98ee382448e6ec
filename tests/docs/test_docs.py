"""What README and docs promise exists: commands, options, values, files, bounds."""

import json
import re
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
import typer

from edgeproof.cli import app
from edgeproof.coordinator import intake
from edgeproof.kernels import shapes
from edgeproof.kernels.cuda import (
    card,
    dot_products,
    driver,
    keccak,
    products,
    tensor_products,
)
from edgeproof.kernels.cuda.architectures import Capability
from edgeproof.kernels.cuda.catalogue import KERNELS
from edgeproof.kernels.cuda.compiler import ARCHITECTURES, NEVER, Kernel
from edgeproof.proofs import memory
from edgeproof.proofs.parameters import Parameters, Phase, demo
from edgeproof.telemetry.eip712 import camel
from edgeproof.telemetry.message import Message, kinds_of

ROOT = Path(__file__).parents[2]
PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text()
GPU = (ROOT / "docs" / "gpu.md").read_text()
OPERATOR = (ROOT / "docs" / "operator.md").read_text()
OWNER = (ROOT / "docs" / "owner.md").read_text()
README = (ROOT / "README.md").read_text()
PAGES = {
    page.relative_to(ROOT).as_posix(): page.read_text()
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))
}


def command_lines(text: str, program: str) -> list[list[str]]:
    """Return the words of each line of indented code that starts with ``program``."""
    lines = (line.split("#")[0].split() for line in text.splitlines())
    indented = re.compile(rf"^ {{4}}{re.escape(program)}( |$)")
    return [
        words
        for line, words in zip(text.splitlines(), lines, strict=True)
        if indented.match(line)
    ]


def known_options(words: list[str]) -> set[str]:
    """Return the options of the command that ``words`` names; fail if there is none."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        assert words, "a group of commands is no command"
        assert words[0] in command.commands, f"no command {words[0]}"
        command = command.commands[words.pop(0)]
    return {
        option
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }


@pytest.mark.parametrize(
    "words",
    command_lines(README + GPU + OPERATOR + OWNER, "edgeproof"),
    ids=" ".join,
)
def test_commands_in_the_pages_exist_with_their_options(words: list[str]) -> None:
    rest = words[1:]
    if ";" in rest:  # what follows is the shell's
        rest = rest[: rest.index(";")]
    options = known_options(rest)
    assert {word for word in rest if word.startswith("-")} <= options


def test_the_readme_shows_every_command() -> None:
    shown = {" ".join(words[1:3]) for words in command_lines(README, "edgeproof")}
    for group in ("agent", "coordinator"):
        command: Any = typer.main.get_command(app)
        for name in command.commands[group].commands:
            assert f"{group} {name}" in shown


def test_options_of_the_demo_in_the_readme_exist() -> None:
    section = README.split("## Two commands")[1].split("\n## ")[0]
    named = set(re.findall(r"--[a-z-]+", section))
    assert named
    assert named <= known_options(["demo"])


def test_what_the_readme_asks_of_the_installer_is_in_its_usage() -> None:
    usage = (ROOT / "install.sh").read_text().split("END")[1]
    lines = command_lines(README, "./install.sh")
    assert len(lines) >= 3
    for words in lines:
        assert all(word in usage for word in words[1:])
    for option in re.findall(r"install\.sh (--[a-z]+)", README):
        assert option in usage


def test_quoted_values_are_those_of_the_vectors() -> None:
    blocks = re.findall(r"```quoted (\S+)\n(.*?)```", PROTOCOL, re.DOTALL)
    assert {name for name, _ in blocks} == {
        "draw.json",
        "expansion.json",
        "matmul.json",
        "memory.json",
        "pow.json",
        "settlement.json",
    }
    for name, body in blocks:
        vectors = json.loads((ROOT / "tests" / "vectors" / name).read_text())
        for line in body.splitlines():
            path, _, value = line.partition(" ")
            assert str(reduce(step, path.split("."), vectors)) == value, path


def test_every_vector_file_is_described_with_its_use() -> None:
    folder = ROOT / "tests" / "vectors"
    described = re.findall(
        r"^\| `(\S+)` \|", (folder / "README.md").read_text(), re.MULTILINE
    )
    assert sorted(described) == sorted(path.name for path in folder.glob("*.json"))


def step(value: Any, key: str) -> Any:
    return value[int(key)] if isinstance(value, list) else value[key]


def test_the_example_of_a_split_is_the_vector() -> None:
    vector = json.loads((ROOT / "tests" / "vectors" / "settlement.json").read_text())
    weights = [str(weight) for weight in vector["weights"].values()]
    rewards = [str(reward) for reward in vector["rewards"].values()]
    left = vector["budget"] - sum(vector["rewards"].values())
    text = (
        f"a budget of {vector['budget']}, W = {vector['floor']} and weights of"
        f" {', '.join(weights[:-1])} and {weights[-1]} give"
        f" {', '.join(rewards[:-1])} and {rewards[-1]}, and {left} stay unallocated"
    )
    assert text in PROTOCOL


def rows(page: str, heading: str, number: int = 0) -> list[list[str]]:
    """Return the cells of a table below ``heading``, without head and rule."""
    section = page.split(f"\n{heading}\n")[1].split("\n#", maxsplit=1)[0]
    parts = [part.strip() for part in section.split("\n\n")]
    lines = [part for part in parts if part.startswith("|")][number].splitlines()
    return [
        [cell.strip(" `") for cell in line.strip("|").split("|")] for line in lines
    ][2:]


def table(heading: str) -> dict[str, str]:
    """Return a table of two columns below ``heading`` of the protocol."""
    cells = rows(PROTOCOL, heading)
    assert all(len(row) == 2 for row in cells)
    assert len({row[0] for row in cells}) == len(cells)
    return {row[0]: row[1] for row in cells}


def test_every_field_of_varying_length_stands_with_its_bound() -> None:
    assert table("### Fields") == {
        f"{cls.__name__}.{camel(name)}": (
            f"{kind.limit} {'items' if kind.item else 'bytes'}"
        )
        for cls in Message.__subclasses__()
        for name, kind in kinds_of(cls)
        if not kind.bits and not kind.exact
    }


def test_the_bounds_of_messages_are_those_of_the_intake() -> None:
    largest = {name: str(most) for name, most in intake.LARGEST.items()}
    assert table("### Whole messages") == largest
    quota = f"send {intake.QUOTA} signed messages in a slot and have cards 0 to"
    assert f"{quota} {intake.MOST_CARDS - 1}" in PROTOCOL


def test_the_memory_section_has_the_sizes_of_the_kernels() -> None:
    section = PROTOCOL.split("\n### 6.2 memory\n")[1].split("\n### ")[0]
    most = shapes.MOST_ITEMS.bit_length() - 1
    for said in (
        f"N items of {shapes.ITEM_BYTES} bytes",
        f"from {shapes.FEWEST_ITEMS} to 2^{most}",
        f"the first {shapes.ITEM_WORDS} words",
        f"ceil({shapes.WALK_COVER}N / {shapes.WALK_READS}) lanes",
        f"of {shapes.WALK_READS} reads",
        f"passes with (1-f)^{memory.OPENINGS}",
    ):
        assert said in section
    for network, name in ((Parameters(genesis=1), "standard"), (demo(1), "demo")):
        fill, walk = network.phase_ms[Phase.FILL], network.phase_ms[Phase.WALK]
        share = f"{100 * memory.unheld(fill, walk):.0f} %"
        assert re.search(rf"{share} (by|in) the {name}", section)
    spoiled = 1 - 0.99**shapes.WALK_READS
    assert f"makes {100 * spoiled:.0f} % of the lanes wrong" in section


def version(capability: Capability) -> str:
    return ".".join(map(str, capability))


def capabilities(kernel: Kernel) -> str:
    """Return the compute capabilities of a kernel as the page says them."""
    least = f"from {version(max(kernel.least, driver.LEAST))}"
    return (
        least if kernel.below == NEVER else f"{least}, before {version(kernel.below)}"
    )


def test_the_page_of_cards_lists_every_cuda_kernel_as_it_is() -> None:
    # Of the kernels for products, one has no inline PTX.
    unknown = set(products.variants()) - {dot_products.product_plain}
    assert [
        [name, block, said, simulator]
        for name, _, block, said, simulator in rows(GPU, "### Every CUDA kernel")
    ] == [
        [
            kernel.name,
            str(kernel.block),
            capabilities(kernel),
            "-" if kernel in unknown else "yes",
        ]
        for kernel in KERNELS
    ]


def test_the_page_of_cards_has_the_drivers_hints() -> None:
    hints = rows(GPU, "## What it says when something is wrong", 1)
    assert dict(hints) == {
        **driver.HINTS,
        "any other": driver.FATAL,
    }


def test_the_page_of_cards_has_the_sizes_of_the_kernels() -> None:
    side, tile = tensor_products.SIDE, shapes.TILE
    *before, last = map(version, ARCHITECTURES)
    for said in (
        f"compute capability {version(driver.LEAST)} or later",
        f"for {', '.join(before)} and {last}",
        f"less {3 * shapes.SIZES[-1] ** 2 >> 20} MiB for the largest product",
        f"computes {side} x {side} entries; each warp has one tile of {tile} x {tile}",
        f"{tensor_products.ACCUMULATORS} accumulators a lane",
        f"in rows of {tensor_products.ROW} bytes",
        f"compares each with the reference at n = {card.CHECKED},",
        f"times the rest from n = {card.TIMED[0]} up, until the fastest takes ",
        f"until the fastest takes {1000 * card.A_WHILE_S:g} ms, and",
        f"a block brings {keccak.SUBTREE} nodes down to one",
    ):
        assert said in GPU


def anchor(heading: str) -> str:
    """Return the anchor that a page's heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


@pytest.mark.parametrize("name", PAGES)
def test_links_to_headings_lead_to_one(name: str) -> None:
    for target, wanted in re.findall(r"\]\(([^):#]*)#([^)]+)\)", PAGES[name]):
        page = (ROOT / name).parent / target if target else ROOT / name
        headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
        assert wanted in {anchor(heading) for heading in headings}


def test_files_and_modules_in_the_architecture_exist() -> None:
    package = ROOT / "src" / "edgeproof"
    quoted = re.findall(r"`([^`\s{}]+)`", ARCHITECTURE)
    paths = [q for q in quoted if "/" in q and "." in q.rsplit("/", 1)[-1]]
    assert len(paths) >= 2
    for path in paths:
        assert (ROOT / path).exists(), path
    dotted = re.compile(
        r"(?:agent|audit|chain|coordinator|kernels|proofs|simulator|telemetry)\."
        r"[a-z_]+(?:\.[A-Za-z_]+)?"
    )
    modules = [q for q in quoted if dotted.fullmatch(q)]
    assert len(modules) >= 8
    for module in modules:
        parts = module.split(".")
        source = (package / parts[0] / f"{parts[1]}.py").read_text()
        if len(parts) > 2:
            assert re.search(rf"^(class|def) {parts[2]}\b", source, re.MULTILINE), (
                module
            )


def test_the_architecture_names_every_room() -> None:
    for room in sorted(path.name for path in (ROOT / "src/edgeproof").iterdir()):
        if (ROOT / "src/edgeproof" / room).is_dir() and not room.startswith("__"):
            assert f"`{room}/`" in ARCHITECTURE, room
