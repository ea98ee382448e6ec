"""Claims what an account earned; anyone with a little gas may do it for anyone."""

from collections.abc import Sequence

from eth_account import Account
from eth_utils.address import to_checksum_address

from edgeproof.chain.client import ChainClient
from edgeproof.chain.errors import Reverted
from edgeproof.chain.sender import FeePolicy


def claim(  # noqa: PLR0913, PLR0917 - the contract's three, and who pays where
    client: ChainClient,
    key: bytes,
    distributor: bytes,
    account: bytes,
    cumulative_amount: int,
    proof: Sequence[bytes],
) -> bytes:
    """Pay ``account`` what it is owed; return the hash of the mined transaction.

    ``key`` pays the gas and needs no other right.  Blocks until it is mined.  Raises
    ``Reverted`` with the contract's reason (``NothingToClaim``, ``ProofInvalid``)
    before anything is sent.  A claim that is sent twice pays once.
    """
    signer = Account.from_key(key)
    sender = bytes.fromhex(signer.address[2:])
    data = client.call_data(
        "Distributor",
        "claim",
        to_checksum_address(account),
        cumulative_amount,
        list(proof),
    )
    gas = client.estimate_gas(sender, distributor, data)
    max_fee, priority = FeePolicy().first(client.fees())
    signed = signer.sign_transaction(
        {
            "type": 2,
            "chainId": client.chain_id,
            "nonce": client.nonce(sender, "pending"),
            "to": distributor,
            "gas": gas + gas // 4,
            "maxFeePerGas": max_fee,
            "maxPriorityFeePerGas": priority,
            "value": 0,
            "data": data,
        }
    )
    client.send_raw(bytes(signed.raw_transaction))
    transaction = bytes(signed.hash)
    if not client.wait(transaction).succeeded:
        msg = f"the claim 0x{transaction.hex()} was mined and reverted"
        raise Reverted(msg, hint="somebody may have claimed for the account meanwhile")
    return transaction
