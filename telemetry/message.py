"""What every message has: checked fields, one encoding, one EIP-712 hash."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar, get_type_hints
from typing import get_args as type_arguments
from typing import get_origin as type_origin

from edgeproof.proofs.keccak import keccak
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry import codec
from edgeproof.telemetry.eip712 import Domain, camel
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.kinds import Kind

M = TypeVar("M", bound="Message")
M_co = TypeVar("M_co", bound="Message", covariant=True)
Function = TypeVar("Function", bound=Callable[..., Any])

TAG = Kind("uint8")


class Message:
    """A value that cannot be invalid: the constructor refuses what a kind refuses.

    Subclasses are frozen dataclasses whose annotations come from ``kinds``.  ``TAG``
    is the first item on the wire; ``SIGNERS`` how many signatures follow the fields.
    """

    __slots__ = ()
    TAG: ClassVar[int]
    SIGNERS: ClassVar[int] = 0

    def __post_init__(self) -> None:
        """Check each field; raise ``MessageRefused`` (OUT_OF_RANGE)."""
        for name, kind in kinds_of(type(self)):
            kind.check(name, getattr(self, name))

    def values(self) -> list[tuple[Kind, Any]]:
        """Return the fields with their kinds, in order."""
        return [(kind, getattr(self, name)) for name, kind in kinds_of(type(self))]

    def struct_hash(self) -> bytes:
        """Return ``hashStruct`` of EIP-712, 32 bytes."""
        words = (kind.abi(value) for kind, value in self.values())
        return keccak(_type_hash(type(self)), *words)

    def digest(self, domain: Domain) -> bytes:
        """Return the message's identity: the 32 bytes that its signers sign."""
        return domain.digest(self.struct_hash())

    def encode(self) -> bytes:
        """Return the one encoding of an unsigned message."""
        return _encode(self, ())

    @classmethod
    def decode(cls, raw: bytes) -> Self:
        """Return the unsigned message in ``raw``; raise ``MessageRefused``."""
        message, _ = _decode(cls, raw, 0)
        return message


@dataclass(frozen=True, slots=True)
class Signed(Generic[M_co]):
    """A message with the signatures that its kind calls for, not yet checked."""

    message: M_co
    signatures: tuple[bytes, ...]

    def encode(self) -> bytes:
        """Return the one encoding."""
        return _encode(self.message, self.signatures)


def decode_signed(cls: type[M], raw: bytes) -> Signed[M]:
    """Return the signed ``cls`` in ``raw``; raise ``MessageRefused``.

    The signatures are 65 bytes each and otherwise unchecked: see ``signing.check``.
    """
    message, signatures = _decode(cls, raw, cls.SIGNERS)
    return Signed(message, signatures)


def _once(function: Function) -> Function:
    """Compute once per class: ``cache``, which mypy thinks can't take a class."""
    return cache(function)  # type: ignore[return-value] # it has the same signature


@_once
def kinds_of(cls: type[Message]) -> tuple[tuple[str, Kind], ...]:
    """Return the name and kind of each field of ``cls``, in order."""
    hints = get_type_hints(cls, include_extras=True)
    return tuple((f.name, _kind(hints[f.name])) for f in fields(cls))  # type: ignore[arg-type] # each subclass is a dataclass


@_once
def type_string(cls: type[Message]) -> str:
    """Return EIP-712's ``encodeType``, such as ``Seal(address device,...)``."""
    members = (f"{kind.solidity} {camel(name)}" for name, kind in kinds_of(cls))
    return f"{cls.__name__}({','.join(members)})"


@_once
def _layout(
    cls: type[Message], signers: int
) -> tuple[codec.Layout, list[Callable[[Message, Any], None]]]:
    """Return the kinds of all items on the wire, and what sets each field."""
    named = kinds_of(cls)
    kinds = [TAG, *(kind for _, kind in named), *[codec.SIGNATURE] * signers]
    setters = [cls.__dict__[name].__set__ for name, _ in named]  # of its slots
    return codec.Layout(kinds), setters


@_once
def _type_hash(cls: type[Message]) -> bytes:
    return keccak(type_string(cls).encode())


def _kind(hint: object) -> Kind:
    if type_origin(hint) is Annotated:
        for extra in type_arguments(hint)[1:]:
            if isinstance(extra, Kind):
                return extra
    msg = f"{hint!r} is not a message field: annotate it with a kind"
    raise TypeError(msg)


def _encode(message: Message, signatures: tuple[bytes, ...]) -> bytes:
    signed = [(codec.SIGNATURE, signature) for signature in signatures]
    return codec.encode([(TAG, message.TAG), *message.values(), *signed])


def _decode(cls: type[M], raw: bytes, signers: int) -> tuple[M, tuple[bytes, ...]]:
    layout, setters = _layout(cls, signers)
    tag, *values = codec.decode(raw, layout)
    if tag != cls.TAG:
        detail = f"tag {tag}, {cls.__name__} has {cls.TAG}"
        raise MessageRefused(Reason.MALFORMED, detail)
    # The codec has checked every value against its kind, so nothing does again.
    message = object.__new__(cls)
    for set_field, value in zip(setters, values, strict=False):
        set_field(message, value)
    return message, tuple(values[len(setters) :])
