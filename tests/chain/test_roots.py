"""Attestations as MultiSignerERC7913 decodes them."""

from typing import Any

import pytest
from eth_abi.abi import decode
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.chain.roots import RootToPost, encode_attestations
from edgeproof.errors import EdgeproofError
from edgeproof.proofs.keccak import keccak

addresses = st.binary(min_size=20, max_size=20)
signatures = st.builds(
    lambda rs, v: rs + bytes([v]),
    st.binary(min_size=64, max_size=64),
    st.sampled_from([0, 1, 27, 28]),
)


@given(st.dictionaries(addresses, signatures, max_size=5))
def test_signers_ascend_by_their_hash_and_keep_their_signature(
    pairs: dict[bytes, bytes],
) -> None:
    signers, parts = decode(["bytes[]", "bytes[]"], encode_attestations(pairs))
    hashes = [keccak(signer) for signer in signers]
    assert hashes == sorted(hashes)
    assert set(signers) == set(pairs)
    for signer, part in zip(signers, parts, strict=True):
        assert part[:64] == pairs[signer][:64]
        assert part[64] == 27 + pairs[signer][64] % 27


@pytest.mark.parametrize(
    ("signer", "signature"),
    [
        pytest.param(bytes(19), bytes(65), id="address too short"),
        pytest.param(bytes(20), bytes(64), id="signature without v"),
    ],
)
def test_parts_of_a_wrong_size_are_refused(signer: bytes, signature: bytes) -> None:
    with pytest.raises(EdgeproofError, match="not 20 and 65"):
        encode_attestations({signer: signature})


@pytest.mark.parametrize(
    "values",
    [
        pytest.param((2, 1, bytes(32), 0, bytes(32), ()), id="range backwards"),
        pytest.param((0, 1 << 64, bytes(32), 0, bytes(32), ()), id="epoch too large"),
        pytest.param((0, 0, bytes(31), 0, bytes(32), ()), id="root too short"),
        pytest.param((0, 0, bytes(32), -1, bytes(32), ()), id="total negative"),
        pytest.param((0, 0, bytes(32), 0, bytes(33), ()), id="data hash too long"),
    ],
)
def test_values_that_no_epoch_root_holds_are_refused(values: tuple[Any, ...]) -> None:
    with pytest.raises(EdgeproofError):
        RootToPost(*values)
