"""A published epoch, file by file."""

import re
from dataclasses import dataclass
from hashlib import sha256
from http import HTTPStatus
from pathlib import Path

from fastapi import Request, Response
from fastapi.responses import FileResponse

from edgeproof.audit.attestation import ATTESTATION
from edgeproof.audit.bundle import FILES
from edgeproof.audit.manifest import LARGEST_JSON, MANIFEST, Manifest
from edgeproof.coordinator.web.answers import Bundle, BundleFile
from edgeproof.coordinator.web.problems import Problem
from edgeproof.telemetry.hexes import to_hex

UNCHANGED = "public, max-age=31536000, immutable"
"""Caching of what a published epoch consists of."""

CHECK = "no-cache"
"""Caching of the attestation: attestors may still sign."""

TAG = re.compile(r'(?:W/)?("[^"]*")')


@dataclass(frozen=True, slots=True)
class PublishedEpoch:
    """The folder of one epoch.  What its manifest does not list is not there."""

    bundles: Path
    epoch: int

    def listing(self) -> Bundle:
        """Return all files; ``Problem`` if the epoch is not published."""
        base = f"/api/v1/epochs/{self.epoch}/bundle"
        return Bundle(
            self.epoch,
            [
                BundleFile(name, size, digest, f"{base}/{name}")
                for name, (size, digest) in self._files().items()
            ],
        )

    def download(self, name: str, request: Request) -> Response:
        """Return a file, or that the caller has it; ``Problem`` if not listed."""
        files = self._files()
        if name not in files:
            detail = f"the bundle of epoch {self.epoch} has no such file"
            hint = f"see /api/v1/epochs/{self.epoch}/bundle"
            raise Problem(HTTPStatus.NOT_FOUND, detail, hint)
        tag = f'"{files[name][1].removeprefix("0x")}"'
        caching = CHECK if name == ATTESTATION else UNCHANGED
        headers = {"ETag": tag, "Cache-Control": caching}
        if _has(request, tag):
            return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
        path = self.bundles / str(self.epoch) / name
        json = path.suffix == ".json"
        kind = "application/json" if json else "application/vnd.apache.parquet"
        return FileResponse(path, headers=headers, media_type=kind)

    def _files(self) -> dict[str, tuple[int, str]]:
        """Return size and SHA-256 by name: as the manifest says, or of the bytes."""
        raw = self._read(MANIFEST)
        if raw is None:
            detail = f"epoch {self.epoch} is not published yet, or never was"
            raise Problem(HTTPStatus.NOT_FOUND, detail, "see /api/v1/epochs")
        files = {
            name: (entry.size, entry.sha256)
            for name, entry in Manifest.decode(raw).files.items()
            if name in FILES
        }
        files[MANIFEST] = len(raw), to_hex(sha256(raw).digest())
        if (signed := self._read(ATTESTATION)) is not None:
            files[ATTESTATION] = len(signed), to_hex(sha256(signed).digest())
        return dict(sorted(files.items()))

    def _read(self, name: str) -> bytes | None:
        try:
            with (self.bundles / str(self.epoch) / name).open("rb") as file:
                return file.read(LARGEST_JSON + 1)
        except FileNotFoundError:
            return None


def _has(request: Request, tag: str) -> bool:
    """Return whether If-None-Match names ``tag`` (RFC 9110, 13.1.2)."""
    known = request.headers.get("if-none-match", "")
    return known.strip() == "*" or tag in TAG.findall(known)
