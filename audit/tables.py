"""One table of a bundle: named columns of fixed kinds, as canonical Parquet.

Rows have one order, strictly ascending by all columns from left to right, so a set of
rows has one list.  The writer's options are fixed, so a list of rows has one file, for
one version of the Parquet library; its name and version stand in the file.

Integers of up to 64 bits are unsigned columns.  Figures, weights and amounts have no
bound: they are 32-byte strings, big-endian, never a signed 64-bit column.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
from pyarrow import parquet

from edgeproof.audit.errors import BadBundle
from edgeproof.telemetry.codec import WIDE
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.kinds import WORD, Kind

Row = tuple[Any, ...]
"""One value for each column: int, bytes or str, as the column's kind admits."""

WRITER = f"parquet-cpp-arrow version {pa.cpp_version}"
"""What this version writes into each file as its maker."""

LARGEST_TABLE = 512 * 1024 * 1024
"""Bytes of a table, compressed or not, that anybody should read."""

MOST_ROWS = 8_000_000
"""Rows of a table that anybody should read."""

_OPTIONS = {
    "compression": "zstd",
    "compression_level": 3,
    "version": "2.6",
    "data_page_version": "1.0",
    "use_dictionary": False,
    "write_statistics": False,
    "store_schema": False,
    "write_page_checksum": True,
    "row_group_size": 8192,
}


@dataclass(frozen=True, slots=True)
class Table:
    """A table's name and its columns."""

    name: str
    columns: tuple[tuple[str, Kind], ...]

    @property
    def file(self) -> str:
        """Name of its file in a bundle."""
        return f"{self.name}.parquet"


def canonical(table: Table, rows: Iterable[Row]) -> list[Row]:
    """Return the distinct rows in their one order.

    Raises ``BadBundle`` where a value is not of its column's kind.
    """
    ordered = sorted(set(rows))
    for number, row in enumerate(ordered):
        for (name, kind), value in zip(table.columns, row, strict=True):
            try:
                kind.check(name, value)
            except MessageRefused as error:
                raise BadBundle(
                    table.file, f"a {kind.solidity} in {name}", str(error), number
                ) from None
    return ordered


def encode(table: Table, rows: Sequence[Row]) -> bytes:
    """Return the file of canonical ``rows``, the same bytes every time."""
    columns = [
        pa.array([_packed(kind, row[place]) for row in rows], _arrow_type(kind))
        for place, (_, kind) in enumerate(table.columns)
    ]
    sink = pa.BufferOutputStream()
    parquet.write_table(pa.table(columns, schema=_schema(table)), sink, **_OPTIONS)
    return bytes(sink.getvalue().to_pybytes())


def decode(table: Table, raw: bytes) -> tuple[list[Row], str]:
    """Return the rows in ``raw``, and who wrote the file.

    The columns must be exactly the table's, every value of its kind and the rows in
    their order.  Raises ``BadBundle`` for anything else, whatever the bytes.
    """
    try:
        file = parquet.ParquetFile(
            pa.BufferReader(raw),
            page_checksum_verification=True,
            thrift_string_size_limit=1 << 20,
            thrift_container_size_limit=1 << 20,
        )
        _check_header(table, file)
        content = file.read(use_threads=False)
        columns = [column.to_pylist() for column in content.columns]
        writer = str(file.metadata.created_by)
    except (pa.ArrowException, OSError, ValueError, MemoryError) as error:
        # The library's messages can span lines and quote the file: keep the first.
        detail = (str(error) or type(error).__name__).splitlines()[0]
        raise BadBundle(table.file, "a Parquet table", f"{detail:.200}") from None
    kinds = [kind for _, kind in table.columns]
    rows = [
        tuple(_unpacked(kind, value) for kind, value in zip(kinds, values, strict=True))
        for values in zip(*columns, strict=True)
    ]
    _check_order(table, rows)
    return rows, writer


def _check_header(table: Table, file: "parquet.ParquetFile") -> None:
    schema, found = _schema(table), file.schema_arrow
    if not found.equals(schema, check_metadata=True):
        raise BadBundle(table.file, _columns(schema), _columns(found))
    head = file.metadata
    if head.num_rows > MOST_ROWS:
        raise BadBundle(
            table.file, f"at most {MOST_ROWS} rows", f"{head.num_rows} rows"
        )
    size = sum(head.row_group(i).total_byte_size for i in range(head.num_row_groups))
    if size > LARGEST_TABLE:
        raise BadBundle(table.file, f"at most {LARGEST_TABLE} bytes", f"{size} bytes")


def _check_order(table: Table, rows: Sequence[Row]) -> None:
    for number, (row, before) in enumerate(zip(rows[1:], rows, strict=False), start=1):
        if row <= before:
            raise BadBundle(
                table.file, "rows in ascending order", "a row out of order", number
            )
    canonical(table, rows)


def _columns(schema: pa.Schema) -> str:
    return f"columns {', '.join(f'{field.name} {field.type}' for field in schema)}"


def _schema(table: Table) -> pa.Schema:
    return pa.schema(
        [
            pa.field(name, _arrow_type(kind), nullable=False)
            for name, kind in table.columns
        ]
    )


def _arrow_type(kind: Kind) -> pa.DataType:
    if kind.bits > WIDE:
        return pa.binary(WORD)
    if kind.bits:
        return {8: pa.uint8, 16: pa.uint16, 32: pa.uint32, 64: pa.uint64}[kind.bits]()
    if kind.solidity == "string":
        return pa.string()
    return pa.binary(kind.exact) if kind.exact else pa.binary()


def _packed(kind: Kind, value: Any) -> Any:  # noqa: ANN401 - one of the types of a row
    return value.to_bytes(WORD, "big") if kind.bits > WIDE else value


def _unpacked(kind: Kind, value: Any) -> Any:  # noqa: ANN401 - one of the types of a row
    return int.from_bytes(value, "big") if kind.bits > WIDE else value
