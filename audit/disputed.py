"""Judge a file of evidence: read it, and the bundle beside it, for ``audit.dispute``.

A bundle counts as the coordinator's word only if attestors signed it: the bundle
itself, or the last one of its group, which lies beside it with those between and names
them by their data hashes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgeproof.audit.dispute import Finding, Published, judge
from edgeproof.audit.errors import BadBundle
from edgeproof.audit.evidence import LARGEST, BadDispute, Dispute
from edgeproof.audit.register import Register
from edgeproof.errors import EdgeproofError
from edgeproof.proofs import timetable
from edgeproof.telemetry import description
from edgeproof.telemetry.hexes import to_hex


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a file; ``dispute`` is None where it is no evidence at all."""

    dispute: Dispute | None
    findings: tuple[Finding, ...]
    failure: str = ""
    """Why nothing was judged; empty if the claims were."""
    hint: str = ""

    @property
    def proven(self) -> bool:
        """Whether a claim is."""
        return any(finding.proven for finding in self.findings)


def judge_file(
    file: Path,
    bundle: Path | None = None,
    progress: Callable[[str], None] = lambda _text: None,
) -> Verdict:
    """Return what the claims in ``file`` are worth, with ``bundle`` or without.

    Never raises ``EdgeproofError``: what cannot be read proves nothing.
    """
    dispute = None
    try:
        dispute = read(file)
        published = None
        if bundle is not None:
            progress("reading and hashing the bundle")
            published = read_published(bundle)
        progress("judging")
        return Verdict(dispute, tuple(judge(dispute, published)))
    except EdgeproofError as error:
        return Verdict(dispute, (), str(error), error.hint)


def read(file: Path) -> Dispute:
    """Return the evidence in ``file``; raise ``BadDispute``."""
    try:
        with file.open("rb") as opened:
            raw = opened.read(LARGEST + 1)
    except OSError as error:
        msg = f"cannot read {file}: {error.strerror}"
        raise BadDispute(msg, hint="name a file of edgeproof agent dispute") from None
    return Dispute.decode(raw)


def read_published(folder: Path) -> Published:
    """Return the bundle in ``folder``, which attestors signed; else ``BadBundle``."""
    # Here and not above: this brings pyarrow and numba, which take a second.
    from edgeproof.audit import bundle as bundles  # noqa: PLC0415 - see above
    from edgeproof.audit.attestation import ATTESTATION  # noqa: PLC0415 - see above

    found = bundles.read_bundle(folder)
    network = found.record.description
    epoch, data_hash = found.manifest.epoch, found.manifest.data_hash
    place, attestation = folder.resolve(), found.attestation
    while not timetable.ends_root(network.parameters, epoch):
        epoch, place = epoch + 1, place.parent / str(epoch + 1)
        after = bundles.read_bundle(place)
        if (after.manifest.epoch, after.manifest.previous) != (epoch, data_hash):
            expected = f"epoch {epoch}, after {to_hex(data_hash)}"
            got = f"epoch {after.manifest.epoch}, {to_hex(after.manifest.previous)}"
            raise BadBundle(str(place), expected, got)
        data_hash, attestation = after.manifest.data_hash, after.attestation
    if attestation is None:
        raise BadBundle(ATTESTATION, "a file, or nobody vouches for this", "none")
    attestation.check(network, epoch, data_hash)
    first = timetable.first_slot(network.parameters, found.manifest.epoch)
    devices = tuple(Register(found.record.enrolments).roster(first))
    return Published(found.record, found.outcome, devices)


def as_json(verdict: Verdict) -> dict[str, Any]:
    """Return the verdict as plain values."""
    known = verdict.dispute
    return {
        "proven": verdict.proven,
        "device": to_hex(known.device) if known else None,
        "epoch": known.epoch if known else None,
        "failure": verdict.failure or None,
        "hint": verdict.hint or None,
        "claims": [
            {
                "kind": finding.kind.value,
                "proven": finding.proven,
                "needs_bundle": finding.needs_bundle,
                "why": finding.why,
            }
            for finding in verdict.findings
        ],
    }


def lines(verdict: Verdict) -> list[str]:
    """Return the lines that a person reads."""
    rows = []
    if verdict.dispute is not None and verdict.findings:
        known = verdict.dispute
        network = description.read(known.network)
        rows += [
            f"device       {to_hex(known.device)}, epoch {known.epoch}",
            f"network      {to_hex(network.network_id)}",
            f"coordinator  {to_hex(network.coordinator)}",
        ]
    for number, finding in enumerate(verdict.findings, start=1):
        state = "not proven"
        if finding.proven:
            state = "proven"
        elif finding.needs_bundle:
            state = "open"
        rows.append(f"{number}. {finding.kind.value}: {state}: {finding.why}")
    if verdict.failure:
        rows.append(f"Not proven: {verdict.failure}")
        if verdict.hint:
            rows.append(f"hint: {verdict.hint}")
    else:
        rows.append(
            "Proven: this coordinator contradicted itself."
            if verdict.proven
            else "Not proven."
        )
    return [_plain(row) for row in rows]


def _plain(text: str) -> str:
    """Return a line without what a terminal obeys: words of it came from strangers."""
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)
