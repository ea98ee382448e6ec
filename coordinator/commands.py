"""``edgeproof coordinator``: found a network and run it."""

import time
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from edgeproof.proofs.parameters import EntropySource

app = typer.Typer(no_args_is_help=True, help="Found a network and run its coordinator.")

DEFAULT_DATA = Path("~/.local/share/edgeproof-coordinator")

Data = Annotated[
    Path,
    typer.Option("--data", help="Folder of the coordinator: keys, store, bundles."),
]


EMBEDDED, MOSQUITTO = "embedded", "mosquitto"
"""Words for ``--broker`` beside URLs."""


class Preset(StrEnum):
    """Sets of network parameters."""

    DEMO = "demo"
    STANDARD = "standard"


@app.command()
def init(  # noqa: PLR0913, PLR0917 - one option for each thing that a founder decides
    rpc: Annotated[str, typer.Option(help="URL of the EVM node to deploy to.")],
    data: Data = DEFAULT_DATA,
    preset: Annotated[
        Preset, typer.Option(help="Timetable: demo (30 s epochs) or standard (1 h).")
    ] = Preset.STANDARD,
    genesis_in: Annotated[
        int, typer.Option(min=1, help="Seconds from now until slot 0.")
    ] = 60,
    broker: Annotated[
        str,
        typer.Option(
            help="embedded: inside the coordinator, for devices of this machine alone. "
            "mosquitto: for devices anywhere, with certificates; what it needs is "
            "written to DATA/mosquitto.  Or the mqtt:// URL of one that runs.",
        ),
    ] = "embedded",
    broker_host: Annotated[
        list[str] | None,
        typer.Option(
            help="Name or address at which devices reach mosquitto, for its "
            "certificate; repeat it for more, the first one is published."
        ),
    ] = None,
    broker_port: Annotated[
        int | None,
        typer.Option(min=1, max=65535, help="[default: 1883, 8883 for mosquitto]"),
    ] = None,
    api: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Public address of the explorer, such as https://…"
        ),
    ] = None,
    web_host: Annotated[
        str, typer.Option(help="Address that the explorer listens on.")
    ] = "127.0.0.1",
    web_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of the explorer.")
    ] = 8080,
    verified_share: Annotated[
        int,
        typer.Option(
            min=1,
            max=10_000,
            help="Of 10,000 rounds of devices with a record, how many are verified; "
            "all, unless you say less.",
        ),
    ] = 10_000,
    entropy: Annotated[
        EntropySource,
        typer.Option(
            help="What is mixed into each draw from outside: nothing, so that it rests "
            "on the coordinator's word; the chain's next block; drand's next round."
        ),
    ] = EntropySource.NONE,
    *,
    development_chain: Annotated[
        bool,
        typer.Option(help="Let the node's unlocked account pay for the poster's gas."),
    ] = False,
) -> None:
    """Make keys, deploy the contracts, write the network description.

    Running it again finishes what was begun and changes nothing that exists.
    """
    from edgeproof.coordinator.founding import Charter, found
    from edgeproof.proofs import outside
    from edgeproof.proofs.parameters import Parameters, demo
    from edgeproof.telemetry.hexes import to_hex

    hosts = tuple(broker_host or ["127.0.0.1"])
    address = _broker_address(broker, hosts, broker_port)
    genesis = int(time.time()) + genesis_in
    parameters = demo(genesis) if preset is Preset.DEMO else Parameters(genesis=genesis)
    parameters = replace(parameters, verified_share=verified_share)
    parameters = outside.with_source(parameters, entropy)
    description = found(
        data.expanduser(),
        Charter(
            parameters=parameters,
            rpc=rpc,
            broker=address,
            embedded_broker=broker == EMBEDDED,
            broker_hosts=hosts if broker == MOSQUITTO else (),
            api=api or f"http://127.0.0.1:{web_port}",
            web_host=web_host,
            web_port=web_port,
            development_chain=development_chain,
        ),
    )
    typer.echo(f"network      {to_hex(description.network_id)}")
    typer.echo(f"coordinator  {to_hex(description.coordinator)}")
    typer.echo(f"distributor  {to_hex(description.distributor)}")
    typer.echo(f"token        {to_hex(description.token)}")
    if description.authority:
        file = data.expanduser().absolute() / "mosquitto" / "mosquitto.conf"
        typer.echo(f"broker       {description.broker}")
        typer.echo(f"next: mosquitto -c {file}")
    typer.echo(f"next: edgeproof coordinator run --data {data}")


@app.command()
def revoke(
    device: Annotated[
        str, typer.Argument(metavar="0x…", help="Address of the device.")
    ],
    data: Data = DEFAULT_DATA,
    *,
    undo: Annotated[bool, typer.Option(help="Let the device in again.")] = False,
) -> None:
    """Shut a device out: nothing of it is accepted any more, from now on.

    For a device whose key is abused.  Its owner ends its work with `edgeproof agent
    retire`; this is the operator's own act, which everybody sees as slots without beat.
    """
    from edgeproof.coordinator import revoking

    typer.echo(revoking.revoke(data.expanduser(), device, undo=undo))


@app.command()
def run(data: Data = DEFAULT_DATA) -> None:
    """Run the coordinator until SIGTERM or ctrl-C."""
    import asyncio
    import signal

    from edgeproof import logs
    from edgeproof.kernels import preflight

    preflight.check()
    from edgeproof.coordinator.service import serve
    from edgeproof.coordinator.settings import Settings

    folder = data.expanduser()
    settings = Settings.load(folder)
    logs.configure("info")

    async def until_signal() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        await serve(folder, settings, stop)

    asyncio.run(until_signal())


def _broker_address(broker: str, hosts: tuple[str, ...], port: int | None) -> str:
    """Return the URL that devices connect to; raise for one that cannot be."""
    from edgeproof.telemetry.mqtt import BadBrokerUrl, parse_url

    if broker == MOSQUITTO:
        host = f"[{hosts[0]}]" if ":" in hosts[0] else hosts[0]
        return f"mqtts://{host}:{port or 8883}"
    if broker == EMBEDDED:
        return f"mqtt://127.0.0.1:{port or 1883}"
    if parse_url(broker).secure:
        msg = f"a broker with certificates needs this network's authority: {broker}"
        hint = "--broker mosquitto --broker-host NAME writes all that it needs"
        raise BadBrokerUrl(msg, hint=hint)
    return broker
