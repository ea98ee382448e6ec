"""What the package promises before any chain is there."""

import subprocess
import sys

import pytest
from eth_abi.abi import encode

from edgeproof.chain import artifacts
from edgeproof.chain.deploy import created_address
from edgeproof.chain.reverts import reverted
from edgeproof.proofs.keccak import keccak


def test_importing_the_package_imports_no_web3() -> None:
    script = "import sys, edgeproof.chain; sys.exit('web3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


@pytest.mark.parametrize("name", ["Distributor", "EdgeproofToken"])
def test_the_artifacts_are_shipped(name: str) -> None:
    artifact = artifacts.load(name)
    assert artifact.name == name
    assert len(artifact.bytecode) > 5000


def test_the_deployed_code_fits_the_limit_of_a_contract() -> None:
    # Creation code contains the code that stays, and the token's too.
    assert len(artifacts.load("Distributor").bytecode) < 49_152


def test_a_custom_error_is_read_with_its_values() -> None:
    data = keccak(b"IncreaseAboveCap(uint256,uint256)")[:4] + encode(
        ["uint256", "uint256"], [11, 10]
    )
    error = reverted(data, "")
    assert error.name == "IncreaseAboveCap"
    assert "IncreaseAboveCap(increase=11, cap=10)" in str(error)
    assert error.hint


@pytest.mark.parametrize(
    "data", [b"", b"\x01\x02", b"\xff" * 40, keccak(b"NoPendingRoot()")[:3]]
)
def test_unknown_revert_data_falls_back_to_the_node_s_words(data: bytes) -> None:
    assert str(reverted(data, "words")) == "the contract refused: words"


CREATED = {
    # From go-ethereum's crypto tests, for the key 289c…2032.
    0: "333c3310824b7c685133f2bedb2ca4b8b4df633d",
    1: "8bda78331c916a08481428e4b07c96d3e916d165",
    2: "c9ddedf451bc62ce88bf9292afb13df35b670699",
}


@pytest.mark.parametrize("nonce", CREATED)
def test_addresses_of_created_contracts_are_go_ethereum_s(nonce: int) -> None:
    creator = bytes.fromhex("970e8128ab834e8eac17ab8e3812f010678cf791")
    assert created_address(creator, nonce).hex() == CREATED[nonce]
