"""What the agent does with the cards that its prover names, this time and the next."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from edgeproof.agent.options import Options
from edgeproof.agent.orders import Fill, Search
from edgeproof.agent.prover_process import ProverFailed
from edgeproof.agent.proving import Proving, clock_ms
from edgeproof.agent.work import Job
from edgeproof.proofs.parameters import Phase
from edgeproof.proofs.reasons import Reason
from edgeproof.simulator.epochs import SimulatedNetwork

GPU = {"card": 0, "name": "NVIDIA X", "kind": "cuda", "size": 16384}
CPU = {"card": 0, "name": "a CPU", "kind": "cpu", "size": 0}

PROVER = """
import json, sys
told = json.loads(open(sys.argv[1]).read())
for line in sys.stdin:
    command = json.loads(line)
    with open(sys.argv[2], "a") as log:
        log.write(line)
    answer = told.get(command["do"])
    if answer:
        print(json.dumps({"is": "ready", **answer}), flush=True)
"""
"""Answers what a file says, and logs what it was told."""


class Stage:
    """A machine whose cards change between two provers."""

    def __init__(self, folder: Path) -> None:
        self._told, self._log = folder / "told", folder / "log"
        command = (sys.executable, "-c", PROVER, str(self._told), str(self._log))
        network = SimulatedNetwork(1)
        self.proving = Proving(
            network.description,
            network.devices[0].key,
            Options(
                state_dir=folder,
                prover_command=command,
                prover_memory_share=0.3,
                gpu_memory_share=0.7,
            ),
            send=lambda _signed: None,
        )

    def will_answer(self, command: str, cards: list[Any], *notices: str) -> None:
        answer = {"cards": cards, "notices": notices}
        self._told.write_text(json.dumps({command: answer}))

    @property
    def told(self) -> list[Any]:
        return [json.loads(line) for line in self._log.read_text().splitlines()]

    @property
    def commands(self) -> list[str]:
        return [command["do"] for command in self.told]


@pytest.fixture
async def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    made = Stage(tmp_path)
    # The orders below come from no round.
    monkeypatch.setattr(made.proving._rounds, "wants", lambda _job: True)
    made.will_answer("warm", [GPU], "one kernel is not used")
    await made.proving.warm()
    await made.proving._prover.stop()
    yield made
    await made.proving._prover.stop()


def search() -> Search:
    job = Job(7, Phase.POW, 0)
    return Search(job, bytes(32), 3, 0, clock_ms() + 1000)


async def test_a_card_that_is_still_there_is_given_its_work(stage: Stage) -> None:
    stage.will_answer("load", [{**GPU, "size": 0}])
    await stage.proving._serve(search())
    await stage.proving._prover.stop()  # it has read all that it was told
    assert stage.commands == ["warm", "load", "search"]


@pytest.mark.parametrize("cards", [[CPU], [], [{**GPU, "name": "NVIDIA Y"}]])
async def test_what_stands_in_for_a_card_is_not_given_its_work(
    stage: Stage, cards: list[Any]
) -> None:
    stage.will_answer("load", cards, "the driver broke")
    with pytest.raises(ProverFailed, match="card 0 is not here any more") as caught:
        await stage.proving._serve(search())
    assert caught.value.reason is Reason.CARD_GONE
    assert "search" not in stage.commands
    assert stage.proving._prover.notices == ("the driver broke",)


async def test_a_card_that_comes_back_works_again(stage: Stage) -> None:
    stage.will_answer("load", [CPU])
    with pytest.raises(ProverFailed):
        await stage.proving._serve(search())
    await stage.proving._prover.stop()
    stage.will_answer("load", [GPU])
    await stage.proving._serve(search())
    await stage.proving._prover.stop()
    assert stage.commands[-1] == "search"


async def test_a_prover_without_its_cards_is_not_kept(stage: Stage) -> None:
    stage.will_answer("load", [CPU])
    with pytest.raises(ProverFailed):
        await stage.proving._serve(search())
    stage.will_answer("load", [GPU])
    await stage.proving._serve(search())
    await stage.proving._prover.stop()
    assert stage.commands == ["warm", "load", "load", "search"]


@pytest.mark.parametrize(("card", "share"), [(GPU, 0.7), (CPU, 0.3)])
async def test_a_fill_takes_the_share_of_its_kind_of_memory(
    stage: Stage, card: dict[str, Any], share: float
) -> None:
    stage.will_answer("warm", [{**card, "size": 512}])
    await stage.proving.warm()
    await stage.proving._serve(
        Fill(Job(7, Phase.FILL, 0), bytes(32), 2, 100, clock_ms() + 1000)
    )
    await stage.proving._prover.stop()
    assert (stage.commands[-1], stage.told[-1]["share"]) == ("fill", share)
