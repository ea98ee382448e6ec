"""What an agent keeps against its coordinator, and what it makes of it."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from edgeproof.agent import disputing, identity
from edgeproof.agent.commands import app
from edgeproof.agent.disputing import NothingToDispute, prepare
from edgeproof.agent.evidence import KEPT_EPOCHS, Evidence
from edgeproof.agent.options import Options
from edgeproof.agent.service import AgentService
from edgeproof.agent.state import NotEnrolled, State
from edgeproof.audit import disputed
from edgeproof.audit.dispute import judge
from edgeproof.audit.evidence import ClaimKind, Dispute
from edgeproof.errors import EdgeproofError
from edgeproof.proofs import merkle
from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import signing
from edgeproof.telemetry.broker import Envelope
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.message import Message
from edgeproof.telemetry.messages import IntakeRoot, Receipt, Seal, Statement
from edgeproof.telemetry.signing import Key
from tests.agent.conftest import enrolled

if TYPE_CHECKING:
    from tests.agent.conftest import Coordinator

WHOLE = 0b111111
"""All slots of one of the test network's epochs."""


class Device:
    """An enrolled device whose agent hears what a test says."""

    def __init__(self, coordinator: "Coordinator", options: Options) -> None:
        enrolled(coordinator, options)
        self.folder = options.state_dir
        self.key = identity.device_key(self.folder)
        self.coordinator = coordinator

        def never(*_given: Any) -> Any:
            raise AssertionError

        self.agent = AgentService(
            options, coordinator.description, self.key, connect=never
        )

    def hear(self, kind: str, *messages: Message) -> None:
        own = {"receipt", "statement"}
        name = f"c/{to_hex(self.key.address)}/{kind}" if kind in own else f"n/{kind}"
        for message in messages:
            try:
                self.agent._hear(Envelope(name, self.coordinator.sign(message)))
            except MessageRefused as error:
                self.agent._log.info("refused", why=str(error))

    def slots(self, *slots: int) -> None:
        """Hear beacon, entropy and intake root of each slot."""
        for slot in slots:
            self.hear("beacon", self.coordinator.beacon(slot))
            self.hear("entropy", self.coordinator.entropy(slot))
            self.hear("root", IntakeRoot(slot, 1, keccak(bytes([slot]))))

    def statement(
        self, slots: int = WHOLE, counted: int = 6, epoch: int = 0
    ) -> Statement:
        base = self.coordinator.statement(self.key.address, epoch)
        missing = bytes(0 if slots >> slot & 1 else Reason.NO_BEAT for slot in range(6))
        return replace(base, slots=bytes([slots]), missing=missing, counted=counted)

    def seal(self, slots: int = WHOLE, *, at: int = 7) -> None:
        """Seal these slots, and hear the receipt for it."""
        seal = Seal(self.key.address, bytes(16), 0, bytes([slots]), bytes(32))
        self.agent._seal(seal)
        digest = seal.digest(self.coordinator.description.domain)
        leaves = [bytes(32), digest]
        path, root = tuple(merkle.path(leaves, 1)), merkle.root(leaves)
        self.hear("beacon", self.coordinator.beacon(at))
        self.hear("root", IntakeRoot(at, 2, root))
        self.hear("receipt", Receipt(self.key.address, at, digest, 1, 2, path, root))

    def kept(self, epoch: int) -> list[Any]:
        description = self.coordinator.description
        evidence = Evidence(self.agent._state.store, description, self.key.address)
        return [each.word for each in evidence.of(epoch)]

    def claims(self, epoch: int = 0) -> list[ClaimKind]:
        return [claim.kind for claim in prepare(self.folder, epoch).claims]


@pytest.fixture
def device(coordinator: "Coordinator", options: Options) -> Iterator[Device]:
    made = Device(coordinator, options)
    yield made
    made.agent._outbox.close()
    made.agent._state.close()


def test_an_honest_epoch_leaves_nothing_to_dispute(device: Device) -> None:
    device.slots(*range(11))
    device.seal(at=11)
    device.hear("statement", device.statement())
    with pytest.raises(NothingToDispute, match="accepts 6 of 6 slots"):
        prepare(device.folder, 0)
    with pytest.raises(NothingToDispute, match="nothing of it is kept"):
        prepare(device.folder, 40)
    with pytest.raises(NothingToDispute, match="no statement came yet"):
        prepare(device.folder, 1)


def second_beacon(device: Device) -> None:
    beacon = device.coordinator.beacon(2)
    device.hear("beacon", replace(beacon, round_anchor=bytes(32)))


def second_root(device: Device) -> None:
    device.hear("root", IntakeRoot(2, 9, bytes(32)))


def second_entropy(device: Device) -> None:
    device.hear("entropy", replace(device.coordinator.entropy(2), value=bytes(32)))


def second_statement(device: Device) -> None:
    device.hear("statement", device.statement())
    device.hear("statement", replace(device.statement(), rewards=(0,) * 4))


def receipt_elsewhere(device: Device) -> None:
    message = keccak(b"commitment")
    root = merkle.root([message])
    device.hear("receipt", Receipt(device.key.address, 2, message, 0, 1, (), root))


@pytest.mark.parametrize(
    "contradict",
    [second_beacon, second_root, second_entropy, second_statement, receipt_elsewhere],
)
@pytest.mark.parametrize("again", [1, 5])
def test_two_words_of_one_thing_are_kept_although_one_is_refused(
    device: Device, contradict: Callable[[Device], None], again: int
) -> None:
    device.slots(*range(7))
    for _ in range(again):
        contradict(device)
    found = prepare(device.folder, 0)
    assert [claim.kind for claim in found.claims] == [ClaimKind.TWO_WORDS]
    (finding,) = judge(found)
    assert finding.proven, finding.why


def test_a_contradiction_that_comes_long_after_is_kept_too(device: Device) -> None:
    device.slots(*range(40))
    second_beacon(device)
    assert device.claims() == [ClaimKind.TWO_WORDS]


def test_a_slot_that_the_statement_does_not_count_was_whole(device: Device) -> None:
    device.slots(*range(11))
    device.hear("statement", device.statement(counted=5))
    found = prepare(device.folder, 0)
    assert [claim.kind for claim in found.claims] == [ClaimKind.VOID_SLOT]
    (finding,) = judge(found)
    assert finding.proven, finding.why


def test_a_slot_without_root_may_well_be_void(device: Device) -> None:
    device.slots(0, 1, 2, 4, 5)
    device.hear("beacon", device.coordinator.beacon(6))
    device.hear("statement", device.statement(slots=0b110111, counted=5))
    with pytest.raises(NothingToDispute):
        prepare(device.folder, 0)


def test_a_sealed_slot_that_is_not_accepted_waits_for_the_bundle(
    device: Device,
) -> None:
    device.slots(*range(7))
    device.seal()
    device.hear("statement", device.statement(slots=WHOLE & ~0b100))
    found = prepare(device.folder, 0)
    assert [claim.kind for claim in found.claims] == [ClaimKind.NOT_ACCEPTED]
    (finding,) = judge(found)
    assert finding.needs_bundle


def test_what_a_seal_without_receipt_claims_is_not_claimed(device: Device) -> None:
    device.slots(*range(7))
    seal = Seal(device.key.address, bytes(16), 0, bytes([WHOLE]), bytes(32))
    device.agent._seal(seal)
    assert seal in device.kept(0)
    device.hear("statement", device.statement(slots=0))
    with pytest.raises(NothingToDispute):
        prepare(device.folder, 0)


def test_all_that_is_kept_can_be_shown(device: Device) -> None:
    device.slots(*range(7))
    device.seal()
    device.hear("statement", device.statement())
    (claim,) = prepare(device.folder, 0, everything=True).claims
    assert claim.kind is ClaimKind.NOT_IN_BUNDLE
    assert len(claim.messages) == 3 * 7 + 3 + 1  # the seal is no word of theirs
    (finding,) = judge(prepare(device.folder, 0, everything=True))
    assert finding.needs_bundle


def test_what_somebody_else_signed_or_what_is_to_come_is_not_kept(
    device: Device, coordinator: "Coordinator"
) -> None:
    device.slots(0, 1)
    before = len(device.kept(0))
    domain = coordinator.description.domain
    forged = signing.sign(coordinator.beacon(1), domain, Key(b"\x08" * 32)).encode()
    note = device.agent._evidence.note
    note("beacon", forged, 1)
    note("beacon", b"", 1)
    note("telemetry", b"", 1)
    note("root", coordinator.sign(IntakeRoot(5, 1, bytes(32))), 1)
    note("statement", coordinator.sign(device.statement(epoch=9)), 1)
    stranger = replace(device.statement(), device=bytes(20))
    note("statement", coordinator.sign(stranger), 1)
    assert len(device.kept(0)) == before


def test_nobody_can_fill_the_disk(device: Device, coordinator: "Coordinator") -> None:
    note = device.agent._evidence.note
    for number in range(70):
        note("root", coordinator.sign(IntakeRoot(3, number, bytes(32))), 3)
        seal = Seal(device.key.address, bytes(16), 0, bytes([number]), bytes(32))
        domain = coordinator.description.domain
        note("seal", signing.sign(seal, domain, device.key).encode(), 3)
    kept = device.kept(0)
    assert len([word for word in kept if isinstance(word, IntakeRoot)]) == 2
    assert len([word for word in kept if isinstance(word, Seal)]) == 64


def test_old_epochs_are_forgotten(device: Device, coordinator: "Coordinator") -> None:
    note, last = device.agent._evidence.note, KEPT_EPOCHS + 1
    for epoch in range(last + 1):
        root = coordinator.sign(IntakeRoot(6 * epoch, 1, bytes(32)))
        note("root", root, 6 * epoch)
    note("root", coordinator.sign(IntakeRoot(1, 1, bytes(32))), 6 * last)
    assert [bool(device.kept(epoch)) for epoch in (0, 1, 2, last)] == [
        False,
        True,  # the first slots of the next one, until this one's close
        True,
        True,
    ]


def test_words_of_the_next_epochs_first_slots_count_until_the_close(
    device: Device,
) -> None:
    device.slots(*range(12))
    slots = {word.slot for word in device.kept(0)}
    assert slots == set(range(11))  # five slots of the next epoch, and no more


# The command.


def run(*words: str) -> Any:
    return CliRunner().invoke(app, ["dispute", *words])


def test_the_command_writes_a_file_that_anybody_judges(
    device: Device, tmp_path: Path
) -> None:
    device.slots(*range(7))
    second_beacon(device)
    file = tmp_path / "evidence.json"
    done = run("0", "--state", str(device.folder), "--out", str(file))
    assert done.exit_code == 0
    assert "two-words: proven" in done.output
    assert f"edgeproof audit --dispute {file}" in done.output
    assert disputed.judge_file(file).proven
    again = Dispute.decode(file.read_bytes())
    assert again.device == device.key.address
    assert set(json.loads(file.read_text())) == {
        "claims",
        "device",
        "epoch",
        "format",
        "network",
    }


def test_nothing_to_dispute_is_said(device: Device, tmp_path: Path) -> None:
    device.slots(*range(7))
    done = run("0", "--state", str(device.folder), "--out", str(tmp_path / "f"))
    assert isinstance(done.exception, NothingToDispute)
    assert "--all" in done.exception.hint
    assert list(tmp_path.glob("f")) == []


def test_the_file_has_a_name_of_its_own(
    device: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    device.slots(*range(7))
    assert run("0", "--all", "--state", str(device.folder)).exit_code == 0
    assert (tmp_path / "dispute-0.json").exists()


def test_a_place_that_cannot_be_written_is_named(
    device: Device, tmp_path: Path
) -> None:
    device.slots(0)
    found = prepare(device.folder, 0, everything=True)
    with pytest.raises(EdgeproofError, match="cannot write"):
        disputing.write(tmp_path / "nowhere" / "f", found)


def test_no_device_disputes_nothing(tmp_path: Path) -> None:
    assert isinstance(run("0", "--state", str(tmp_path)).exception, NotEnrolled)


@pytest.mark.parametrize("words", [[], ["-1"], ["x"]])
def test_wrong_usage_exits_2(words: list[str]) -> None:
    assert run(*words).exit_code == 2


def test_evidence_outlives_a_restart(device: Device) -> None:
    device.slots(*range(3))
    with closing(State(device.folder, read_only=True)) as state:
        evidence = Evidence(state.store, device.coordinator.description, bytes(20))
        assert len(evidence.of(0)) == 9
