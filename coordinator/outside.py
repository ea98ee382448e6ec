"""Where a slot's entropy gets what nobody here can foresee: a chain, or drand.

Shells around ``proofs.outside``: they wait, ask and ask again, and let pass only what
every auditor will let pass.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

import httpx
import stamina
import structlog

from edgeproof.chain.client import ChainClient
from edgeproof.coordinator.settings import Settings
from edgeproof.errors import EdgeproofError
from edgeproof.proofs import drand, outside
from edgeproof.proofs.outside import Block
from edgeproof.proofs.parameters import SECOND, EntropySource, Parameters
from edgeproof.telemetry.bounded_json import load_object
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.errors import MessageRefused
from edgeproof.telemetry.hexes import from_hex

log = structlog.get_logger()

LARGEST_ANSWER = 4096
"""Bytes of a relay's answer that are read."""

ANSWER_S = 2.0
"""Seconds that one relay may take before the next one is asked."""

POLL_S = 1.0
"""Seconds between looks at the chain, or a tenth of the time there is, if less."""


class OutsideSource(Protocol):
    """Waits for what a slot takes from outside."""

    async def of(self, slot: int) -> bytes:
        """Return ``Entropy.outside`` of ``slot`` once it is there, verified.

        Waits as long as it takes: whoever asks knows when it is too late.
        """
        ...


class BlockReader(Protocol):
    """What is asked of a chain."""

    def block(self, number: int | None = None) -> Block | None:
        """Return a block, the newest unless told; raise ``EdgeproofError``."""
        ...


class Unusable(EdgeproofError):  # noqa: N818 - reads as what it is about
    """A relay gave no answer, or one that is not the round's."""


def outside_source(
    description: Description, settings: Settings, clock: Callable[[], int]
) -> OutsideSource | None:
    """Return the source that the network was founded with, None if it has none."""
    network = description.parameters
    match EntropySource(network.entropy_source):
        case EntropySource.CHAIN:
            return ChainSource(ChainClient(settings.rpc), network)
        case EntropySource.DRAND:
            return DrandSource(network, settings.drand_urls, clock)
        case EntropySource.NONE:
            return None


class ChainSource:
    """The first block from the slot's start on, once it is deep enough."""

    def __init__(self, chain: BlockReader, network: Parameters) -> None:
        self._chain = chain
        self._network = network
        self._poll = min(POLL_S, network.entropy_ms / SECOND / 10)

    async def of(self, slot: int) -> bytes:
        """See ``OutsideSource.of``; a node out of reach is asked again."""
        said = ""
        while True:
            try:
                block = await asyncio.to_thread(self._find, slot)
            except EdgeproofError as error:
                block = None
                if str(error) != said:
                    said = str(error)
                    log.warning("no block", slot=slot, why=said, hint=error.hint)
            if block is not None:
                return block.outside
            await asyncio.sleep(self._poll)

    def _find(self, slot: int) -> Block | None:
        """Return the slot's block, None while it is not there or not deep enough."""
        head = self._chain.block()
        depth = self._network.confirmations
        if head is None or head.number < depth:
            return None
        block = head if depth == 0 else self._chain.block(head.number - depth)
        if block is None or not outside.reached(self._network, slot, block):
            return None
        # Walked back to from the depth that is settled, not to from the newest one.
        while block.number > 0:
            before = self._chain.block(block.number - 1)
            if before is None:
                return None
            if outside.is_first(self._network, slot, block, before):
                return block
            block = before
        return block


class DrandSource:
    """The signature of the slot's round, from whichever relay has it first."""

    def __init__(
        self, network: Parameters, urls: Sequence[str], clock: Callable[[], int]
    ) -> None:
        if not urls:
            msg = "this network draws with drand, and no relay of it is named"
            raise EdgeproofError(msg, hint="set drand_urls in coordinator.toml")
        self._network = network
        self._urls = [url.rstrip("/") for url in urls]
        self._clock = clock
        self._key = bytes.fromhex(network.drand_key.removeprefix("0x"))
        drand.verify(self._key, 0, b"")  # raises now, not in a slot, without py_ecc

    async def of(self, slot: int) -> bytes:
        """See ``OutsideSource.of``; relays are asked in turn, each again and again."""
        number = outside.drand_round(self._network, slot)
        ready = outside.drand_time(self._network, number)
        while (left := ready - self._clock()) > 0:  # noqa: ASYNC110 - clocks step
            await asyncio.sleep(left / SECOND)
        async with httpx.AsyncClient(timeout=ANSWER_S, follow_redirects=False) as http:
            async for attempt in stamina.retry_context(
                on=Unusable,
                attempts=None,
                timeout=None,
                wait_initial=0.1,
                wait_max=1.0,
                wait_jitter=0.1,
            ):
                with attempt:
                    url = self._urls[(attempt.num - 1) % len(self._urls)]
                    return await self._ask(http, url, number)
        msg = "retried for ever, and yet it ended"  # pragma: no cover - mypy can't know
        raise AssertionError(msg)

    async def _ask(self, http: httpx.AsyncClient, url: str, number: int) -> bytes:
        address = f"{url}/public/{number}"
        raw = b""
        try:
            async with http.stream("GET", address) as answer:
                answer.raise_for_status()
                async for part in answer.aiter_bytes():
                    raw += part
                    if len(raw) > LARGEST_ANSWER:
                        break
            values = load_object(raw, LARGEST_ANSWER)
            text = f"0x{values.get('signature')}"
            signature = from_hex(text, outside.SIGNATURE_BYTES)
        except (httpx.HTTPError, httpx.InvalidURL, MessageRefused) as error:
            msg = f"no round {number} from {address}: {error!r}"
            raise Unusable(msg) from None
        if not await asyncio.to_thread(drand.verify, self._key, number, signature):
            msg = f"{address} gave a signature that is not the chain's"
            log.warning("a relay of drand lies", url=url, round=number)
            raise Unusable(msg)
        return signature
