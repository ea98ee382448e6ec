"""Recompute a published epoch and compare all of it: what ``edgeproof audit`` does.

An attestor runs the same before it signs, with ``attested=False``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edgeproof.audit import bundle as bundles
from edgeproof.audit import carried_tables, layout, onchain, published
from edgeproof.audit.attestation import ATTESTATION
from edgeproof.audit.bundle import Bundle, first_difference, read_bundle
from edgeproof.audit.errors import BadBundle, Difference
from edgeproof.audit.manifest import MANIFEST
from edgeproof.audit.model import Outcome
from edgeproof.audit.onchain import ChainReader
from edgeproof.audit.replay import replay
from edgeproof.audit.rounds import Verifier, verify_proof
from edgeproof.errors import EdgeproofError
from edgeproof.proofs import timetable
from edgeproof.telemetry.hexes import to_hex


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was compared, and how many of them agreed."""

    name: str
    count: int
    note: str = ""


@dataclass(slots=True)
class Report:
    """What an audit found: the checks that passed, in order, up to the first failure.

    ``root`` and ``cumulative_total`` are the recomputed ones, where it came that far.
    """

    folder: str
    checks: list[Check] = field(default_factory=list)
    failure: str = ""
    """Empty if everything agrees."""
    difference: Difference | None = None
    """Where it first does not agree; None also where the record can't be replayed."""
    hint: str = ""
    epoch: int | None = None
    data_hash: bytes | None = None
    root: bytes | None = None
    cumulative_total: int | None = None

    @property
    def agrees(self) -> bool:
        """Whether everything agrees."""
        return not self.failure


Progress = Callable[[str], None]
"""Told what begins."""


def audit(
    folder: Path,
    chain: ChainReader | None = None,
    *,
    verify: Verifier = verify_proof,
    attested: bool = True,
    progress: Progress = lambda _text: None,
) -> Report:
    """Return what comes of recomputing the bundle in ``folder``.

    Offline but for ``chain``.  Never raises ``EdgeproofError``: that is a failure in
    the report.  Steps:

    1. Each file is listed, has its hash and is its own canonical encoding.
    2. Attestors signed this very bundle; not asked for unless ``attested``.
    3. Everything published is signed by who is to sign it (``published``).
    4. The state carried in is what the bundle before, where it lies beside this one,
       carried out.
    5. The result is recomputed (``replay``) and each row of it compared.
    6. The attested and the recomputed root are the same, and so is the chain's.  Where
       entropy takes blocks from it, they are the chain's own, and the slots'.
    """
    report = Report(str(folder))
    try:
        _audit(report, folder, chain, verify, attested=attested, progress=progress)
    except BadBundle as error:
        report.failure, report.difference = str(error), error.difference
    except EdgeproofError as error:
        report.failure, report.hint = str(error), error.hint
    return report


def _audit(  # noqa: PLR0913 - what audit takes, and the report it fills
    report: Report,
    folder: Path,
    chain: ChainReader | None,
    verify: Verifier,
    *,
    attested: bool,
    progress: Progress,
) -> None:
    def done(name: str, count: int, note: str = "") -> None:
        report.checks.append(Check(name, count, note))

    # (1) The files.
    progress("reading and hashing the files")
    found = read_bundle(folder)
    report.epoch = found.manifest.epoch
    report.data_hash = found.manifest.data_hash
    note = (
        "" if found.reencoded else f"hashes and schemas only: {found.manifest.writer}"
    )
    done("files as listed, canonical", len(found.manifest.files) + 1, note)
    # (2) The attestors.
    if attested:
        signed = _attestors(found)
        done("attestors", signed, "" if signed else "they sign the group's last epoch")
    # (3) What was published.
    progress("checking signatures")
    published.check(found.record, done)
    # (4) The bundle before.
    linked = _previous(folder, found)
    done("bundle before this one", int(linked), "" if linked else "not at hand")
    # (5) The result.
    progress("recomputing")
    outcome = replay(found.record, verify)
    report.root, report.cumulative_total = outcome.root, outcome.cumulative_total
    _compare(found, outcome, done)
    # (6) The root.
    if found.attestation is not None:
        _attested_root(found, outcome)
        done("attested root and total", 1)
    if chain is not None:
        progress("asking the chain")
        if blocks := onchain.check_blocks(found.record, chain):
            done("entropy took its slots' blocks", blocks)
        if found.attestation is None:
            raise BadBundle(ATTESTATION, "a file", "none")
        posted = onchain.check(found.record, found.attestation.root, chain)
        state = "finalised" if posted.final else "in its challenge window"
        done("root on chain", 1, state)


def _attestors(found: Bundle) -> int:
    if found.attestation is None:
        parameters = found.record.description.parameters
        if not timetable.ends_root(parameters, found.manifest.epoch):
            return 0
        raise BadBundle(ATTESTATION, "a file", "none")
    description, manifest = found.record.description, found.manifest
    return found.attestation.check(description, manifest.epoch, manifest.data_hash)


def _previous(folder: Path, found: Bundle) -> bool:
    """Return whether the bundle before lies beside this one; raise if they differ."""
    beside = folder.resolve().parent / str(found.manifest.epoch - 1)
    if found.manifest.epoch == 0 or not beside.is_dir():
        return False
    before = bundles.read_manifest(beside)
    if before.data_hash != found.manifest.previous:
        got = to_hex(found.manifest.previous)
        expected = f"{to_hex(before.data_hash)}, the bundle in {beside}"
        raise BadBundle(MANIFEST, expected, got)
    for out, into in zip(
        carried_tables.CARRIED_OUT, carried_tables.CARRIED_IN, strict=True
    ):
        want, have = before.files[out.file], found.manifest.files[into.file]
        if want != have:
            expected = f"SHA-256 {want.sha256}, that of {out.file} before it"
            raise BadBundle(into.file, expected, have.sha256)
    return True


def _compare(found: Bundle, outcome: Outcome, done: Callable[[str, int], None]) -> None:
    expected = layout.output_rows(found.record, outcome)
    got = layout.output_rows(found.record, found.outcome)
    for table in layout.OUTPUTS:
        first_difference(table, expected[table.name], got[table.name])
    for table in (layout.VERDICTS, layout.ATTENDANCE, layout.PAYOUTS, layout.BALANCES):
        done(f"{table.name} recomputed", len(expected[table.name]))


def _attested_root(found: Bundle, outcome: Outcome) -> None:
    if found.attestation is None:
        return
    root = found.attestation.root
    if root.root != outcome.root:
        expected = f"root {to_hex(outcome.root)}"
        raise BadBundle(ATTESTATION, expected, to_hex(root.root))
    if root.cumulative_total != outcome.cumulative_total:
        expected = f"cumulative_total {outcome.cumulative_total}"
        raise BadBundle(ATTESTATION, expected, f"{root.cumulative_total}")
