"""The types of message fields: their range, their bytes in CBOR and in EIP-712.

A field is annotated with one of the aliases below, say ``slot: Uint64``.  From that
one word follow its check, its wire format (RFC 8949) and its ABI encoding, so the
three cannot disagree.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any

from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry.errors import MessageRefused

WORD = 32
"""Bytes of one ABI word."""

PAYLOAD_LIMIT = 4096 * WORD
"""Largest payload of a commitment or an opening: the roots of 4096 products."""

NAME_LIMIT = 64
"""Characters of a short name."""


@dataclass(frozen=True, slots=True)
class Kind:
    """One field type.

    ``solidity`` is its EIP-712 name.  ``limit`` bounds the bytes of ``bytes`` and
    ``string`` and the items of an array.
    """

    solidity: str
    limit: int = 0

    item: "Kind | None" = field(init=False)
    """The kind of an array's items; None for anything but an array."""
    bits: int = field(init=False)
    """Width of an unsigned integer; 0 for anything else."""
    exact: int = field(init=False)
    """Exact length in bytes; 0 where the length varies."""

    def __post_init__(self) -> None:
        """Work out once what every message asks for."""
        name, array = self.solidity, self.solidity.endswith("[]")
        bits, exact = 0, 0
        if name == "address":
            exact = 20
        elif not array and name.startswith("uint"):
            bits = int(name[4:])
        elif not array and name.startswith("bytes"):
            exact = int(name[5:] or 0)
        object.__setattr__(self, "item", Kind(name[:-2]) if array else None)
        object.__setattr__(self, "bits", bits)
        object.__setattr__(self, "exact", exact)

    def check(self, name: str, value: object) -> None:
        """Raise ``MessageRefused`` (OUT_OF_RANGE) unless ``value`` is of this kind."""
        if not self._holds(value):
            detail = f"{name} is not a {self.solidity}"
            raise MessageRefused(Reason.OUT_OF_RANGE, detail)

    def _holds(self, value: object) -> bool:
        if self.item is not None:
            if not isinstance(value, tuple) or len(value) > self.limit:
                return False
            return all(self.item._holds(each) for each in value)  # noqa: SLF001 - own class
        if self.bits:
            top = 1 << self.bits
            whole = not isinstance(value, bool)
            return whole and isinstance(value, int) and 0 <= value < top
        if self.solidity == "string":
            return isinstance(value, str) and len(value.encode()) <= self.limit
        if not isinstance(value, bytes):
            return False
        return len(value) == self.exact if self.exact else len(value) <= self.limit

    def abi(self, value: Any) -> bytes:  # noqa: ANN401 - one of the types that `check` admits
        """Return the 32-byte ``encodeData`` word of EIP-712."""
        if self.item is not None:
            return keccak(*(self.item.abi(each) for each in value))
        if self.bits:
            return int(value).to_bytes(WORD, "big")
        if self.solidity == "string":
            return keccak(value.encode())
        if not self.exact:
            return keccak(value)
        padding = bytes(WORD - self.exact)
        if self.solidity == "address":
            return padding + bytes(value)
        return bytes(value) + padding


Address = Annotated[bytes, Kind("address")]
Bytes16 = Annotated[bytes, Kind("bytes16")]
Bytes32 = Annotated[bytes, Kind("bytes32")]
Payload = Annotated[bytes, Kind("bytes", PAYLOAD_LIMIT)]
RequestBytes = Annotated[bytes, Kind("bytes", 2048)]
TokenBytes = Annotated[bytes, Kind("bytes", 256)]
Bitmap = Annotated[bytes, Kind("bytes", 1024)]
SlotCodes = Annotated[bytes, Kind("bytes", 8192)]
Outside = Annotated[bytes, Kind("bytes", 128)]
Readings = Annotated[bytes, Kind("bytes", 4096)]
Uint8 = Annotated[int, Kind("uint8")]
Uint16 = Annotated[int, Kind("uint16")]
Uint32 = Annotated[int, Kind("uint32")]
Uint64 = Annotated[int, Kind("uint64")]
Uint256 = Annotated[int, Kind("uint256")]
Path = Annotated[tuple[bytes, ...], Kind("bytes32[]", 64)]
Digests = Annotated[tuple[bytes, ...], Kind("bytes32[]", 512)]
Codes = Annotated[tuple[int, ...], Kind("uint16[]", 512)]
Amounts = Annotated[tuple[int, ...], Kind("uint256[]", 64)]
