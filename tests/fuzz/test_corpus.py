"""The corpus that fuzzing starts from: every decoder takes its own examples."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.errors import EdgeproofError
from tests.fuzz import decoders, seeds
from tests.fuzz.decoders import DECODERS, one

FILES = sorted(seeds.CORPUS.iterdir())


def test_the_corpus_is_what_the_generator_writes() -> None:
    made = dict(seeds.inputs())
    there = {path.name: path.read_bytes() for path in FILES}
    assert set(made) == set(there)
    # A bundle's manifest names the version of the library that wrote its tables.
    for name in set(made) - {"manifest", "attestation"}:
        assert made[name] == there[name], name


def test_every_decoder_has_an_example_that_it_takes() -> None:
    """Else fuzzing would never get past the first check."""
    taken = set()
    for path in FILES:
        raw = path.read_bytes()
        decoder = DECODERS[raw[0]]
        try:
            decoder(raw[1:])
        except EdgeproofError:
            continue
        taken.add(decoder)
    # The intake's example is a seal under every kind of topic: one of them fits.
    assert taken == set(DECODERS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
@given(data=st.data())
def test_an_example_cut_or_changed_is_refused_or_read(
    path: Path, data: st.DataObject
) -> None:
    raw = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(0, 3))):
        raw[data.draw(st.integers(1, len(raw) - 1))] = data.draw(st.integers(0, 255))
    one(bytes(raw[: data.draw(st.integers(0, len(raw)))]))


@given(st.integers(0, len(DECODERS) - 1), st.binary(max_size=200))
def test_any_bytes_are_refused_or_read(decoder: int, raw: bytes) -> None:
    one(bytes([decoder]) + raw)


def test_the_decoders_are_told_apart_by_one_byte() -> None:
    assert len(DECODERS) < 256
    assert decoders.CLASSES
