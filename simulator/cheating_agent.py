"""The agent of a demo's cheater: the honest one but for what its cheat overrides.

    python -m edgeproof.simulator.cheating_agent --state DIR --cheat KIND
        --from-file FILE --twin ADDRESS

Settings come from EDGEPROOF_AGENT_* variables, as for ``edgeproof agent run``.  It is
honest until the Unix millisecond that FILE names.
"""

import argparse
import asyncio
import signal
import sys
from functools import partial
from pathlib import Path

from edgeproof.agent import identity, settings
from edgeproof.agent.delivery import wall_ms
from edgeproof.agent.rounds import Rounds
from edgeproof.agent.service import AgentService
from edgeproof.agent.serving import mqtt
from edgeproof.agent.state import open_pinned
from edgeproof.agent.work import Random
from edgeproof.logs import configure
from edgeproof.proofs.parameters import Parameters
from edgeproof.simulator.cheating_prover import started
from edgeproof.simulator.cheats.catalogue import by_kind
from edgeproof.simulator.cheats.cheat import Cheat
from edgeproof.simulator.cheats.scheme import Scheme
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.hexes import from_hex
from edgeproof.telemetry.signing import Key


class CheatingAgent(AgentService):
    """One boot of a device that cheats."""

    cheat: Cheat
    scheme: Scheme
    network: Parameters

    def send(
        self,
        kind: str,
        raw: bytes,
        *,
        slot: int | None = None,
        expires: int | None = None,
    ) -> None:
        """Send what the cheat makes of a message."""
        loop = asyncio.get_running_loop()
        for letter in self.cheat.letters(self.scheme, kind, raw, wall_ms()):
            useless = expires
            if letter.raw != raw:  # it is refused, and not to be sent for ever
                useless = wall_ms() + letter.delay_ms + self.network.slot_ms
            post = partial(super().send, kind, letter.raw, slot=slot, expires=useless)
            if letter.delay_ms:
                loop.call_later(letter.delay_ms / 1000, post)
            else:
                post()


async def serve(state: Path, cheat: Cheat, start: Path, twin: bytes) -> None:
    """Run the enrolled device in ``state`` until SIGTERM or SIGINT."""
    options = settings.load(state_dir=state)
    configure(options.log_level)
    description = open_pinned(options.state_dir)
    key = identity.device_key(options.state_dir)
    scheme = Scheme(description, key, twin, lambda: started(start))

    def rounds(
        _description: Description, _key: Key, *, margin_ms: int, rng: Random
    ) -> Rounds:
        return cheat.device(scheme, cheat.phases, margin_ms=margin_ms, rng=rng)

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    agent = CheatingAgent(
        options,
        description,
        key,
        connect=mqtt(options, description, key),
        make_rounds=rounds,
    )
    agent.cheat, agent.scheme = cheat, scheme
    agent.network = description.parameters
    await agent.run(stop)


def main() -> int:
    """Run; return the exit code."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--cheat", type=by_kind, required=True)
    parser.add_argument("--from-file", type=Path, required=True)
    parser.add_argument("--twin", type=lambda text: from_hex(text, 20), required=True)
    given = parser.parse_args()
    asyncio.run(serve(given.state, given.cheat, given.from_file, given.twin))
    return 0


if __name__ == "__main__":
    sys.exit(main())
