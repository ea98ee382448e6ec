"""Files of evidence, whatever is in them, and the command that judges them."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from edgeproof.audit import disputed, evidence
from edgeproof.audit.bundle import attest, write_bundle
from edgeproof.audit.commands import audit_command
from edgeproof.audit.dispute import judge
from edgeproof.audit.evidence import BadDispute, ClaimKind, Dispute
from edgeproof.audit.replay import replay
from edgeproof.simulator.epochs import SimulatedNetwork, judge_stand_ins
from tests.audit.evidence_cases import (
    BY_THEMSELVES,
    FORGED,
    HEARD,
    NETWORK,
    NOT_ACCEPTED,
    OUTCOME,
    PUBLISHED,
    RECORD,
    TEXT,
    dispute,
    find,
)


def test_a_dispute_reads_back_from_its_file() -> None:
    kind, made = BY_THEMSELVES["a_slot_declared_void"]
    whole = dispute(kind, *made())
    again = Dispute.decode(whole.encode())
    assert (again.device, again.epoch, again.claims) == (
        whole.device,
        whole.epoch,
        whole.claims,
    )
    assert judge(again) == judge(whole)


def changed_file(**changes: Any) -> bytes:
    kind, made = BY_THEMSELVES["two_beacons"]
    return json.dumps(
        {**json.loads(dispute(kind, *made()).encode()), **changes}
    ).encode()


MANY = [{"kind": "two-words", "messages": ["0x00"]}]


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="no-object"),
        pytest.param(b"\xff\xfe", id="no-text"),
        pytest.param(b"[" * 10_000, id="deep"),
        pytest.param(b" " * (evidence.LARGEST + 1), id="too-large"),
        pytest.param(changed_file(format=2), id="another-format"),
        pytest.param(changed_file(more=1), id="a-field-more"),
        pytest.param(changed_file(epoch=-1), id="an-epoch-below-zero"),
        pytest.param(changed_file(epoch=True), id="an-epoch-that-is-none"),
        pytest.param(changed_file(epoch=1 << 64), id="an-epoch-beyond-all"),
        pytest.param(changed_file(device="0x00"), id="no-device"),
        pytest.param(changed_file(claims=[]), id="no-claim"),
        pytest.param(changed_file(claims=MANY * 65), id="too-many-claims"),
        pytest.param(changed_file(claims=[{"kind": "two-words"}]), id="no-messages"),
        pytest.param(
            changed_file(claims=[{"kind": "guilty", "messages": ["0x00"]}]),
            id="an-unknown-kind",
        ),
        pytest.param(
            changed_file(claims=[{"kind": "two-words", "messages": ["00"]}]),
            id="no-hex",
        ),
        pytest.param(
            changed_file(
                claims=[{"kind": "two-words", "messages": ["0x" + "00" * 16385]}]
            ),
            id="a-message-too-long",
        ),
        pytest.param(
            changed_file(claims=[{"kind": "two-words", "messages": ["0x00"] * 16386}]),
            id="too-many-messages",
        ),
        pytest.param(
            changed_file(claims=[{"kind": "two-words", "messages": [5]}]),
            id="a-number-for-a-message",
        ),
    ],
)
def test_any_other_file_is_refused(raw: bytes) -> None:
    with pytest.raises(BadDispute):
        Dispute.decode(raw)


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(
    field=st.sampled_from(
        ["format", "network", "device", "epoch", "claims", "x\ud800"]
    ),
    value=JSON,
)
def test_whatever_a_field_holds_it_is_judged_or_refused(field: str, value: Any) -> None:
    try:
        findings = judge(Dispute.decode(changed_file(**{field: value})))
    except BadDispute:
        return
    assert len(findings) == 1


@settings(max_examples=150, deadline=None)
@given(
    kind=st.sampled_from(ClaimKind), raws=st.lists(st.binary(max_size=80), max_size=4)
)
def test_whatever_the_messages_hold_they_are_judged(
    kind: ClaimKind, raws: list[bytes]
) -> None:
    assert not find(kind, raws, PUBLISHED).proven


def test_what_a_stranger_wrote_does_not_command_the_terminal(tmp_path: Path) -> None:
    file = tmp_path / "file"
    values = json.loads(TEXT)
    values["network"]["parameters"]["\x1b[2J\ud800"] = 1
    file.write_bytes(changed_file(network=values))
    for line in disputed.lines(disputed.judge_file(file)):
        assert line.isprintable()
        line.encode()


# The command.

app = typer.Typer()
app.command()(audit_command)
runner = CliRunner(env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("bundles") / "0"
    data_hash = write_bundle(folder, RECORD, OUTCOME)
    attest(folder, *NETWORK.attestation(RECORD, OUTCOME, data_hash))
    return folder


def written(folder: Path, kind: ClaimKind, messages: Sequence[bytes]) -> str:
    file = folder / "dispute.json"
    file.write_bytes(dispute(kind, *messages).encode())
    return str(file)


def test_a_proven_dispute_exits_0_with_or_without_the_bundle(
    tmp_path: Path, bundle: Path
) -> None:
    kind, made = BY_THEMSELVES["two_beacons"]
    file = written(tmp_path, kind, made())
    for more in ([], [str(bundle)]):
        done = runner.invoke(app, ["--dispute", file, *more])
        assert done.exit_code == 0
        assert "1. two-words: proven: beacon and beacon of slot 2" in done.stdout
        assert "0x" + NETWORK.coordinator.address.hex() in done.stdout
        assert "Proven" in done.stdout


def test_a_claim_that_needs_the_bundle_is_open_without_it(
    tmp_path: Path, bundle: Path
) -> None:
    file = written(tmp_path, NOT_ACCEPTED, HEARD)
    alone = runner.invoke(app, ["--dispute", file])
    assert alone.exit_code == 1
    assert "open: this needs the bundle of epoch 0" in alone.stdout
    done = runner.invoke(app, [str(bundle), "--dispute", file, "--json"])
    assert done.exit_code == 0
    report = json.loads(done.stdout)
    assert report["proven"] is True
    assert report["claims"][0]["kind"] == "not-accepted"
    assert "slot 2 is sealed under the root" in report["claims"][0]["why"]


def test_a_forged_dispute_exits_1_and_says_why(tmp_path: Path, bundle: Path) -> None:
    kind, made = FORGED["the_same_message_twice"]
    done = runner.invoke(
        app, [str(bundle), "--dispute", written(tmp_path, kind, made())]
    )
    assert done.exit_code == 1
    assert "1. two-words: not proven: the two say the same" in done.stdout
    assert "Not proven." in done.stdout


@pytest.mark.parametrize("content", [b"{}", None])
def test_no_evidence_exits_1(tmp_path: Path, content: bytes | None) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.write_bytes(content)
    done = runner.invoke(app, ["--dispute", str(file)])
    assert done.exit_code == 1
    assert "Not proven" in done.stdout


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--dispute", "f", "--rpc", "http://127.0.0.1:1"],
        ["--dispute", "f", "--distributor", "0x" + "11" * 20],
        ["--dispute"],
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2(words: list[str]) -> None:
    assert runner.invoke(app, words).exit_code == 2


def test_a_bundle_that_nobody_attested_is_nobodys_word(tmp_path: Path) -> None:
    write_bundle(tmp_path / "0", RECORD, OUTCOME)
    kind, made = BY_THEMSELVES["two_beacons"]
    verdict = disputed.judge_file(Path(written(tmp_path, kind, made())), tmp_path / "0")
    assert not verdict.proven
    assert "nobody vouches for this" in verdict.failure


def test_a_bundle_inside_a_group_is_vouched_for_by_the_one_that_ends_it(
    tmp_path: Path,
) -> None:
    network = SimulatedNetwork(
        count=1, parameters=replace(NETWORK.parameters, epochs_per_root=2)
    )
    first = network.epoch(0)
    outcome = replay(first, judge_stand_ins)
    before = write_bundle(tmp_path / "0", first, outcome)
    carried = replace(outcome.carried, previous_bundle=before)
    second = network.epoch(1, carried=carried)
    closed = replay(second, judge_stand_ins)
    data_hash = write_bundle(tmp_path / "1", second, closed)
    with pytest.raises(Exception, match="nobody vouches"):
        disputed.read_published(tmp_path / "0")
    attest(tmp_path / "1", *network.attestation(second, closed, data_hash))
    assert disputed.read_published(tmp_path / "0").record == first

    (tmp_path / "other").mkdir()
    lie = replace(outcome, unallocated=outcome.unallocated - 1)
    write_bundle(tmp_path / "other" / "0", first, lie)
    (tmp_path / "1").rename(tmp_path / "other" / "1")
    with pytest.raises(Exception, match="after 0x"):
        disputed.read_published(tmp_path / "other" / "0")
