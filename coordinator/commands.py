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
        str, typer.Option(help="mqtt:// URL of the broker that devices connect to.")
    ] = "mqtt://127.0.0.1:1883",
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
    embedded: Annotated[
        bool,
        typer.Option(
            "--embedded/--external",
            help="Be the broker at that address (loopback only), or use a running one.",
        ),
    ] = True,
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

    genesis = int(time.time()) + genesis_in
    parameters = demo(genesis) if preset is Preset.DEMO else Parameters(genesis=genesis)
    parameters = replace(parameters, verified_share=verified_share)
    parameters = outside.with_source(parameters, entropy)
    description = found(
        data.expanduser(),
        Charter(
            parameters=parameters,
            rpc=rpc,
            broker=broker,
            embedded_broker=embedded,
            api=f"http://127.0.0.1:{web_port}",
            web_host="127.0.0.1",
            web_port=web_port,
            development_chain=development_chain,
        ),
    )
    typer.echo(f"network      {to_hex(description.network_id)}")
    typer.echo(f"coordinator  {to_hex(description.coordinator)}")
    typer.echo(f"distributor  {to_hex(description.distributor)}")
    typer.echo(f"token        {to_hex(description.token)}")
    typer.echo(f"next: edgeproof coordinator run --data {data}")


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
