"""A node, read and written through the few typed calls that edgeproof needs.

Addresses are 20 bytes, hashes 32, amounts integers of the smallest unit.  Every failure
is an ``EdgeproofError``: ``ChainUnreachable``, ``RpcRefused`` or ``Reverted``.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import requests
from eth_typing import ChecksumAddress, HexStr
from hexbytes import HexBytes
from web3 import HTTPProvider, Web3
from web3.exceptions import (
    BadFunctionCallOutput,
    BlockNotFound,
    ContractLogicError,
    TransactionNotFound,
    Web3Exception,
    Web3RPCError,
)
from web3.types import BlockIdentifier, TxParams, Wei

from edgeproof.chain import artifacts
from edgeproof.chain.errors import ChainUnreachable, RpcRefused
from edgeproof.chain.reverts import reverted
from edgeproof.chain.state import (
    DistributorState,
    OnChainRoot,
    PendingRoot,
    Range,
    Terms,
)
from edgeproof.errors import EdgeproofError
from edgeproof.proofs.outside import Block

ALREADY_KNOWN = ("already known", "already imported", "known transaction")
"""How geth, anvil and others say that they hold these very bytes: a success."""

FUNDING = 10**18
"""What ``fund`` gives by default: 1 ether, in wei."""

WAIT_FOR_RECEIPT = 60.0
"""How long ``wait`` waits for a transaction to be mined, in seconds."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a mined transaction."""

    block_number: int
    succeeded: bool
    gas_used: int


@dataclass(frozen=True, slots=True)
class Fees:
    """What the node suggests for the next block, in wei per gas."""

    base: int
    priority: int


class ChainClient:
    """One node.  Safe to use from several threads; it holds no state but caches."""

    def __init__(self, rpc_url: str, *, timeout: float = 10.0) -> None:
        self._place = _without_secrets(rpc_url)
        parts = urlsplit(rpc_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            # The rest is not shown: keys hide there.
            msg = f"not the address of a node: its scheme is {parts.scheme!r}"
            raise ChainUnreachable(msg, hint="write http://host:port or https://host")
        provider = HTTPProvider(
            rpc_url,
            request_kwargs={"timeout": timeout},
            exception_retry_configuration=None,
        )
        self._web3 = Web3(provider)
        self._chain_id: int | None = None
        self._terms: dict[bytes, Terms] = {}

    @property
    def chain_id(self) -> int:
        """The number that signatures for this chain carry."""
        if self._chain_id is None:
            with self._explained():
                self._chain_id = self._web3.eth.chain_id
        return self._chain_id

    def require_chain(self, chain_id: int) -> None:
        """Raise unless the node is on the chain ``chain_id``."""
        if self.chain_id != chain_id:
            msg = f"{self._place} is on chain {self.chain_id}, not on {chain_id}"
            raise EdgeproofError(msg, hint="pass the RPC address of the right chain")

    def genesis_hash(self) -> bytes:
        """Return the hash of block 0: it tells development chains apart."""
        with self._explained():
            return bytes(self._web3.eth.get_block(0)["hash"])

    def block_number(self) -> int:
        """Return the number of the newest block."""
        with self._explained():
            return self._web3.eth.block_number

    def block_hash(self, number: int) -> bytes:
        """Return the hash of block ``number``."""
        with self._explained():
            return bytes(self._web3.eth.get_block(number)["hash"])

    def block(self, number: int | None = None) -> Block | None:
        """Return a block, the newest unless told; None if the chain has none such."""
        try:
            with self._explained():
                found = self._web3.eth.get_block("latest" if number is None else number)
        except RpcRefused as refused:
            if isinstance(refused.__cause__, BlockNotFound):
                return None
            raise
        return Block(found["number"], bytes(found["hash"]), found["timestamp"])

    def block_timestamp(self) -> int:
        """Return the newest block's timestamp, in unix seconds."""
        with self._explained():
            return self._web3.eth.get_block("latest")["timestamp"]

    def time(self) -> int:
        """Return the timestamp that a transaction sent now would see, in unix seconds.

        A chain that mines only on demand has an old newest block, so the pending
        block's timestamp counts where the node has one.
        """
        latest = self.block_timestamp()
        try:
            with self._explained():
                pending = self._web3.eth.get_block("pending")["timestamp"]
        except RpcRefused:
            return latest
        return max(latest, pending)

    def balance(self, account: bytes) -> int:
        """Return the account's balance of the chain's own coin, in wei."""
        with self._explained():
            return self._web3.eth.get_balance(_checksum(account))

    def token_balance(self, token: bytes, account: bytes) -> int:
        """Return the account's balance of ``token``."""
        with self._explained():
            balance: int = self._at(token, "EdgeproofToken").balanceOf(account).call()
        return balance

    def token_supply(self, token: bytes) -> int:
        """Return how much of ``token`` exists."""
        with self._explained():
            supply: int = self._at(token, "EdgeproofToken").totalSupply().call()
        return supply

    def claimed(self, distributor: bytes, account: bytes) -> int:
        """Return what the distributor already paid to ``account``, in total."""
        with self._explained():
            paid: int = self._at(distributor, "Distributor").claimed(account).call()
        return paid

    def terms(self, distributor: bytes) -> Terms:
        """Return what the distributor fixed at its deployment; raise if it is none."""
        if distributor in self._terms:
            return self._terms[distributor]
        with self._explained():
            code = self._web3.eth.get_code(_checksum(distributor))
        if not code:
            msg = f"no contract at 0x{distributor.hex()} on chain {self.chain_id}"
            raise EdgeproofError(
                msg, hint="check the distributor's address, and the chain"
            )
        names = (
            "token", "genesis", "epochLength", "epochsPerRoot", "challengeWindow",
            "halvingInterval", "initialEpochCap", "guardian", "threshold",
        )  # fmt: skip
        functions = self._at(distributor, "Distributor")
        with self._explained():
            value = {name: functions[name]().call() for name in names}
            attestors = functions.getSigners(0, 2**64 - 1).call()
        terms = Terms(
            token=_bytes(value["token"]),
            genesis=value["genesis"],
            epoch_length=value["epochLength"],
            epochs_per_root=value["epochsPerRoot"],
            challenge_window=value["challengeWindow"],
            halving_interval=value["halvingInterval"],
            initial_epoch_cap=value["initialEpochCap"],
            guardian=_bytes(value["guardian"]),
            attestors=tuple(attestors),
            threshold=value["threshold"],
        )
        self._terms[distributor] = terms
        return terms

    def distributor_state(
        self, distributor: bytes, ranges: Sequence[Range] = ()
    ) -> DistributorState:
        """Return the distributor's state at the newest block.

        ``vetoes`` has the number of vetoes of each of ``ranges``, and of the pending
        root's epochs.
        """
        terms = self.terms(distributor)
        time = self.time()
        block = self.block_number()
        functions = self._at(distributor, "Distributor")
        with self._explained():
            next_epoch = functions.nextEpoch().call(block_identifier=block)
            finalised = functions.finalisedRoot().call(block_identifier=block)
            body, ends_at, vetoable = functions.pendingRoot().call(
                block_identifier=block
            )
            pending = (
                PendingRoot(OnChainRoot(*body), ends_at, vetoable) if ends_at else None
            )
            asked = {*ranges, *([pending.body.epochs] if pending else [])}
            vetoes = {
                epochs: functions.vetoesOf(*epochs).call(block_identifier=block)
                for epochs in asked
            }
        return DistributorState(
            terms=terms,
            block_number=block,
            time=time,
            next_epoch=next_epoch,
            finalised=OnChainRoot(*finalised) if next_epoch else None,
            pending=pending,
            vetoes=vetoes,
        )

    def call_data(self, contract: str, function: str, *values: object) -> bytes:
        """Return the bytes that call ``function`` of one of our contracts."""
        empty = self._web3.eth.contract(abi=artifacts.load(contract).abi)
        return bytes.fromhex(empty.encode_abi(function, list(values))[2:])

    def creation_code(self, contract: str, *values: object) -> bytes:
        """Return the bytes that create one of our contracts with these arguments."""
        artifact = artifacts.load(contract)
        maker = self._web3.eth.contract(abi=artifact.abi, bytecode=artifact.bytecode)
        data = maker.constructor(*values).data_in_transaction
        return bytes.fromhex(data[2:])

    def nonce(self, account: bytes, at: BlockIdentifier = "latest") -> int:
        """Return how many transactions of ``account`` are mined at that block."""
        with self._explained():
            return self._web3.eth.get_transaction_count(_checksum(account), at)

    def fees(self) -> Fees:
        """Return what the node suggests."""
        with self._explained():
            base = self._web3.eth.get_block("latest").get("baseFeePerGas", Wei(0))
            return Fees(base=base, priority=self._web3.eth.max_priority_fee)

    def estimate_gas(self, sender: bytes, recipient: bytes | None, data: bytes) -> int:
        """Return the gas that the transaction would use now; raise ``Reverted``."""
        transaction: TxParams = {"from": _checksum(sender), "data": HexBytes(data)}
        if recipient is not None:
            transaction["to"] = _checksum(recipient)
        with self._explained():
            # "pending", or a node without new blocks judges deadlines by an old one.
            return self._web3.eth.estimate_gas(transaction, "pending")

    def send_raw(self, raw: bytes) -> None:
        """Hand signed bytes to the node; that it knows them already is a success."""
        try:
            with self._explained():
                self._web3.eth.send_raw_transaction(raw)
        except RpcRefused as refused:
            if not any(words in str(refused).lower() for words in ALREADY_KNOWN):
                raise

    def receipt(self, transaction: bytes) -> Receipt | None:
        """Return what became of a transaction, or None if no block has it."""
        try:
            with self._explained():
                found = self._web3.eth.get_transaction_receipt(HexBytes(transaction))
        except _NotMined:
            return None
        return Receipt(
            block_number=found["blockNumber"],
            succeeded=found["status"] == 1,
            gas_used=found["gasUsed"],
        )

    def wait(self, transaction: bytes) -> Receipt:
        """Block until the transaction is mined; raise if that takes too long."""
        with self._explained():
            self._web3.eth.wait_for_transaction_receipt(
                HexBytes(transaction), timeout=WAIT_FOR_RECEIPT
            )
        found = self.receipt(transaction)
        if found is None:
            msg = f"transaction 0x{transaction.hex()} was mined and vanished again"
            raise EdgeproofError(msg, hint="send it again")
        return found

    def fund(self, account: bytes, amount: int = FUNDING) -> None:
        """Give ``account`` coins of the first account of a development node."""
        with self._explained():
            unlocked = self._web3.eth.accounts
        if not unlocked:
            msg = f"{self._place} has no unlocked account to give from"
            raise EdgeproofError(
                msg, hint=f"send {amount} wei to 0x{account.hex()} from a wallet"
            )
        with self._explained():
            transaction = self._web3.eth.send_transaction(
                {"from": unlocked[0], "to": _checksum(account), "value": Wei(amount)}
            )
        self.wait(bytes(transaction))

    def _at(self, address: bytes, contract: str) -> Any:  # noqa: ANN401 - web3 makes these functions from the ABI
        abi = artifacts.load(contract).abi
        return self._web3.eth.contract(_checksum(address), abi=abi).functions

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what web3 and requests raise into our exceptions."""
        try:
            yield
        except requests.RequestException as error:
            msg = f"no answer from the chain at {self._place} ({type(error).__name__})"
            raise ChainUnreachable(
                msg, hint="check that the node runs and the address is right"
            ) from error
        except TransactionNotFound as error:
            raise _NotMined(str(error)) from error
        except ContractLogicError as error:
            data = error.data if isinstance(error.data, str) else "0x"
            raise reverted(_revert_bytes(data), str(error.message)) from error
        except BadFunctionCallOutput as error:
            msg = "the contract at this address is not the one we expect"
            raise EdgeproofError(
                msg, hint="check the addresses of token and distributor"
            ) from error
        except Web3RPCError as error:
            raise RpcRefused(_rpc_message(error)) from error
        except Web3Exception as error:
            msg = f"unexpected answer from {self._place}: {error}"
            raise RpcRefused(msg) from error


class _NotMined(EdgeproofError):  # noqa: N818 - an answer, not a fault
    """No block has the transaction."""


def _revert_bytes(data: str) -> bytes:
    try:
        return bytes.fromhex(data.removeprefix("0x"))
    except ValueError:
        return b""


def _rpc_message(error: Web3RPCError) -> str:
    response = error.rpc_response or {}
    detail = response.get("error")
    if isinstance(detail, dict) and detail.get("message"):
        return str(detail["message"])
    return str(error.message)


def _without_secrets(url: str) -> str:
    """Return the address without user, password, path and query: keys hide there."""
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}"


def _checksum(address: bytes) -> ChecksumAddress:
    return Web3.to_checksum_address(HexStr("0x" + address.hex()))


def _bytes(address: str) -> bytes:
    return bytes.fromhex(address.removeprefix("0x"))
