"""The agent as a process: reach the broker, and work until told to stop.

``python -m edgeproof.agent.serving`` is what ``edgeproof agent run`` becomes once its
settings are resolved.
"""

import asyncio
import signal
import sys
from collections.abc import Callable

from edgeproof.agent import certificate, identity, rotation
from edgeproof.agent.delivery import wall_ms
from edgeproof.agent.options import Options
from edgeproof.agent.service import AgentService, Connect
from edgeproof.agent.state import State
from edgeproof.errors import EdgeproofError
from edgeproof.logs import configure
from edgeproof.telemetry import signing
from edgeproof.telemetry.broker import Connection, Will
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.hexes import to_hex
from edgeproof.telemetry.messages import ConnectToken
from edgeproof.telemetry.mqtt import Identity, MqttConnection
from edgeproof.telemetry.signing import Key


def mqtt(options: Options, description: Description, key: Key) -> Connect:
    """Return what connects to the network's broker as the device that ``key`` is.

    By TLS with the device's certificate where the broker's URL says so.  The password
    is a token signed at each attempt: ``0x`` and its hexadecimal bytes.
    """

    def password() -> str:
        token = ConnectToken(key.address, wall_ms())
        return to_hex(signing.sign(token, description.domain, key).encode())

    context = certificate.tls(options.state_dir, description.authority)

    def connect(
        will: Will, on_connect: Callable[[], None], on_disconnect: Callable[[str], None]
    ) -> Connection:
        return MqttConnection(
            options.broker or description.broker,
            Identity(to_hex(key.address), password, context),
            will=will,
            on_connect=on_connect,
            on_disconnect=on_disconnect,
        )

    return connect


async def serve(options: Options) -> None:
    """Run the enrolled device in ``options.state_dir`` until SIGTERM or SIGINT.

    Raises ``EdgeproofError`` where it cannot even start.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    while True:
        state = State(options.state_dir)
        description = state.network()
        state.close()
        key = identity.device_key(options.state_dir)
        connect = mqtt(options, description, key)
        service = AgentService(options, description, key, connect=connect)
        await service.run(stop)
        if not service.replaced:
            return
        key = rotation.take_over(options.state_dir)


def main(text: str) -> int:
    """Run with the options that ``Options.as_text`` wrote; return the exit code."""
    options = Options.from_text(text)
    configure(options.log_level)
    try:
        asyncio.run(serve(options))
    except EdgeproofError as error:
        hint = f"\nhint: {error.hint}" if error.hint else ""
        sys.stderr.write(f"error: {error}{hint}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
