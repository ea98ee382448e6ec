"""Every cheat of the catalogue, against the real verifier: caught, unpaid, and why."""

import time
from collections.abc import Iterator, Mapping

import pytest
from threadpoolctl import threadpool_limits

from edgeproof.agent.card_prover import CardProver
from edgeproof.audit.model import Verdict
from edgeproof.kernels.cpu.card import CpuCard
from edgeproof.proofs.parameters import BUCKET_PHASES, Bucket
from edgeproof.proofs.reasons import Reason
from edgeproof.simulator import trial
from edgeproof.simulator.cheats import memories
from edgeproof.simulator.cheats.catalogue import CHEATS, UnknownCheat, by_kind
from edgeproof.simulator.cheats.cheat import Cheat
from edgeproof.simulator.trial import Trial

HONEST_AT_FIRST = {"old-work", "replayed-commitment"}
"""They repeat what they did in their first round."""


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """Spare the threads of BLAS, which wait busily for cores that other tests use."""
    with threadpool_limits(1):
        yield


@pytest.fixture(scope="module")
def honest(one_thread: None) -> Trial:
    del one_thread
    return trial.run(None)


def test_without_a_cheat_everybody_is_paid(honest: Trial) -> None:
    for device in honest.devices:
        assert all(not honest.reason(device, bucket) for bucket in BUCKET_PHASES)
    assert not honest.refused
    assert not any(verdict.reason for verdict in honest.outcome.verdicts)


@pytest.mark.parametrize("cheat", CHEATS.values(), ids=CHEATS)
def test_each_is_caught_and_unpaid_and_nobody_else_is(
    cheat: Cheat, honest: Trial
) -> None:
    found = trial.run(cheat)
    good, cheater = found.devices
    # The device beside it is judged as if it had been alone.
    before = [v for v in honest.outcome.verdicts if v.device == good]
    assert [v for v in found.outcome.verdicts if v.device == good] == before
    assert {v.bucket for v in before} == set(BUCKET_PHASES)
    # The cheater has nothing, and each zero has the reason that the catalogue names.
    assert found.reward(cheater) == 0
    for bucket in BUCKET_PHASES:
        assert found.reason(cheater, bucket) in cheat.reasons(bucket)
    refused = {reason for device, reason in found.refused if device == cheater}
    assert refused == ({cheat.refused} if cheat.refused else set())
    assert {device for device, _ in found.refused} <= {cheater}
    check_verdicts(cheat, [v for v in found.outcome.verdicts if v.device == cheater])


def check_verdicts(cheat: Cheat, verdicts: list[Verdict]) -> None:
    """Check each round's verdict: that of the first one is what the payout names."""
    if not cheat.heard or cheat.kind == "one-round-of-two":
        assert not any(verdict.reason for verdict in verdicts)
        return
    if cheat.kind in HONEST_AT_FIRST:
        first = min(verdict.round for verdict in verdicts)
        verdicts = [verdict for verdict in verdicts if verdict.round > first]
    judged = {verdict.bucket for verdict in verdicts}
    silent = cheat.refused and cheat.kind != "late-skip"
    assert judged == (set() if silent else set(cheat.unpaid))
    assert silent or len({verdict.round for verdict in verdicts}) >= 2
    for verdict in verdicts:
        allowed = set(cheat.unpaid[verdict.bucket])
        if verdict.bucket is Bucket.HASH and verdict.round > verdicts[0].round:
            # It thinks that its last nonces counted, and so takes another target.
            allowed.add(Reason.WRONG_DIFFICULTY)
        assert verdict.reason in allowed
        assert (verdict.work, verdict.figure) == (0, 0)


@pytest.mark.parametrize("kind", ["identities-at-once", "identities-in-turn"])
@pytest.mark.parametrize("identities", [2, 10])
def test_one_card_is_paid_once_however_many_names_it_has(
    kind: str, identities: int, honest: Trial
) -> None:
    # Device 0 is the first identity, whose work the others hand in.
    found = trial.run(CHEATS[kind], cheaters=identities - 1)
    assert len(found.devices) == identities
    for bucket in BUCKET_PHASES:
        alone = honest.figures(bucket)
        together = found.figures(bucket)
        assert len(together) == len(alone) > 1
        for (_, one), (_, all_names) in zip(
            sorted(alone.items()), sorted(together.items()), strict=True
        ):
            if bucket is Bucket.HASH:  # luck differs, the hashes made do not
                continue
            assert sum(all_names.values()) <= one[honest.devices[0]]
    assert all(found.reward(device) == 0 for device in found.devices[1:])


def test_the_same_seed_gives_the_same_epoch() -> None:
    cheat = CHEATS["garbage"]
    assert trial.run(cheat, seed=5).outcome == trial.run(cheat, seed=5).outcome
    assert trial.run(cheat, seed=5).outcome.root != trial.run(cheat).outcome.root


def test_the_catalogue_has_a_name_and_a_line_for_each() -> None:
    assert len(CHEATS) >= 20
    for kind, cheat in CHEATS.items():
        assert kind == cheat.kind == kind.lower().replace("_", "-")
        assert 0 < len(cheat.description) <= 75
        assert cheat.unpaid
        assert all(Reason.NONE not in reasons for reasons in cheat.unpaid.values())


def test_an_unknown_cheat_is_named_beside_those_there_are() -> None:
    with pytest.raises(UnknownCheat, match="'flattery'") as caught:
        by_kind("flattery")
    assert caught.value.hint is not None
    assert "one-round-of-two" in caught.value.hint


@pytest.mark.parametrize("kind", ["half-memory", "no-memory", "skipped-fill"])
def test_a_memory_that_cheats_claims_more_than_it_holds_on_a_roomy_card(
    kind: str,
) -> None:
    card = CHEATS[kind].card(CpuCard(), lambda: True)
    answers: list[Mapping[str, object]] = []
    prover = CardProver(card, answers.append)
    seed = bytes(32).hex()
    fill = {"do": "fill", "permutations": 2, "walk_ms": 500, "share": 0.5}
    for number, command in enumerate((fill, {"do": "walk", "fill": 0})):
        job = {"job": number, "card": 0, "seed": seed, "milliseconds": 2000}
        prover.serve({**job, **command}, time.monotonic())
    (walked,) = [answer for answer in answers if answer["is"] == "found"]
    assert walked["size"] == memories.MOST
