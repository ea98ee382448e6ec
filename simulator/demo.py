"""A whole network on this machine, from an empty folder to claimed tokens.

The steps, numbered here and at each:

1. Compile the kernels once, and start the chain.
2. Found the network: keys, contracts, description; start the coordinator.
3. Enrol the agents, each with an owner of its own, and start them.
4. Watch until the last epoch is closed and its root is final.
5. Claim for each owner.
6. Audit every bundle against the chain.
7. Compare all of it with what must have happened.
"""

import contextlib
import json
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
from rich.console import Console

from edgeproof.agent.state import State
from edgeproof.audit.compare import audit
from edgeproof.audit.distributor import DistributorReader
from edgeproof.chain.claims import claim
from edgeproof.chain.client import ChainClient
from edgeproof.coordinator.founding import Charter, found
from edgeproof.errors import EdgeproofError
from edgeproof.proofs import timetable
from edgeproof.proofs.parameters import SECOND
from edgeproof.proofs.parameters import demo as demo_parameters
from edgeproof.proofs.reasons import Reason
from edgeproof.simulator.expectations import Seen, problems
from edgeproof.simulator.network import Agent, Network, Plan
from edgeproof.simulator.observer import Observer
from edgeproof.simulator.processes import Family
from edgeproof.simulator.snapshot import EpochNow
from edgeproof.simulator.view import View, short, tokens
from edgeproof.telemetry import keyfile
from edgeproof.telemetry.hexes import to_hex

FOUNDING_S = 14
"""Seconds from the founding to slot 0: the agents start and enrol meanwhile."""

COLD_START_S = 180
"""Seconds that compiling the kernels for the first time may take."""

SLACK_S = 30
"""Seconds after the last epoch's close in which its root must become final."""

LOOK_EVERY = 0.5
"""Seconds between looks at the network."""

CHEAT_SLOT_MS = 1_000
"""The cheater starts this long after its first slot: no older round is multiplying."""

CHEAT_BEAT_MS = -500
"""One that cheats with heartbeats starts before the first of them."""

CPU_SHARE = 0.001
"""Of the cores, for each prover: one thread, since several share this machine."""


def run(plan: Plan, console: Console) -> bool:
    """Run the demo; return whether everything was as it must be.

    Leaves nothing behind: no process, and no file unless ``plan.keep``.
    """
    with _folder(plan.keep) as data, Family(data / "logs") as family:
        names: dict[str, str] = {}
        with View(console, names) as view:
            network = Network(plan, data, family, view)
            _start_chain(network)
            _found(network)
            _enrol(network)
            names.update({to_hex(a.device): a.name for a in network.agents})
            first, epochs = _watch(network)
            balances = _claims(network)
            audited = _audit(network, first)
            seen = Seen(
                first=first,
                last=first + plan.epochs - 1,
                epochs=epochs,
                agents={
                    to_hex(agent.device): (to_hex(agent.owner.address), agent.cheats)
                    for agent in network.agents
                },
                balances=balances,
                audited=audited,
                cheat=plan.cheat,
                refused=_refused(network),
            )
            found_problems = problems(seen)
            for problem in found_problems:
                view.verdict("not as expected:", problem, "red")
            _say_what_the_cheat_got(network, seen)
            if not found_problems:
                view.verdict(
                    "Everything is as expected:",
                    "the recomputed roots are the roots on chain, and every owner"
                    " holds what they say.",
                    "green",
                )
            if plan.keep is not None:
                _say_how_to_audit(network, first + plan.epochs - 1)
            if plan.serve:
                with contextlib.suppress(KeyboardInterrupt):
                    _serve(network)
        return not found_problems


def _refused(network: Network) -> frozenset[Reason]:
    """Return the reasons that the cheater was given for refused messages."""
    found: set[Reason] = set()
    for agent in network.agents:
        if agent.cheats:
            with closing(State(agent.folder, read_only=True)) as state:
                refusals = state.get("refused") or []
            found |= {Reason(refusal["reason"]["code"]) for refusal in refusals}
    return frozenset(found)


def _say_what_the_cheat_got(network: Network, seen: Seen) -> None:
    cheat, view = network.plan.cheat, network.view
    for agent in network.agents:
        row = seen.last_reward(to_hex(agent.device)) if agent.cheats else None
        if row is None:
            continue
        paid = f"was paid {tokens(row.reward)}" if row.reward else "earned nothing"
        view.verdict(
            f"cheat {cheat.kind}:",
            f"{agent.name} {cheat.description}; it {paid} in epoch {seen.last}",
            "red" if row.reward else "green",
        )
        for why in row.reason.split("; ") if row.reason else []:
            view.say(f"    {why}")
        if cheat.refused in seen.refused:
            why = f"{cheat.refused.text} ({cheat.refused.name})"
            view.say(f"    messages refused: {why}")


def _python(module: str, *arguments: str) -> list[str]:
    return [sys.executable, "-m", module, *arguments]


def _start_chain(network: Network) -> None:
    # (1) Compile and start the chain at the same time.
    view, family, plan = network.view, network.family, network.plan
    view.step("compiling the kernels (once) and starting the chain")
    warm = "from edgeproof.kernels.cpu import selfcheck; selfcheck.warm()"
    family.start("kernels", [sys.executable, "-c", warm])
    if plan.rpc is None:
        command = _python("edgeproof.chain.devchain", "--port", "0")
        network.rpc = family.start_announcing("chain", command, COLD_START_S)["rpc"]
    else:
        network.rpc = plan.rpc
    family.finish("kernels", COLD_START_S)
    view.say(f"chain        {network.rpc}")


def _found(network: Network) -> None:
    # (2) Found the network and start its coordinator.
    plan, view = network.plan, network.view
    view.step("deploying token and distributor")
    folder = network.data
    web, broker = _free_port(), _free_port()
    description = found(
        folder,
        Charter(
            parameters=demo_parameters(int(time.time()) + FOUNDING_S),
            rpc=network.rpc,
            broker=plan.broker or f"mqtt://127.0.0.1:{broker}",
            embedded_broker=plan.broker is None,
            broker_hosts=(),
            api=f"http://127.0.0.1:{web}",
            web_host="127.0.0.1",
            web_port=web,
            development_chain=True,
        ),
    )
    network.description = description
    command = _python("edgeproof.cli", "coordinator", "run", "--data", str(folder))
    network.family.start("coordinator", command)
    view.say(f"distributor  {to_hex(description.distributor)}")
    view.say(f"token        {to_hex(description.token)}")
    view.say(f"broker       {description.broker}")
    view.say(f"explorer     {description.api}")
    view.step("starting the coordinator")
    _until(
        network, lambda: Observer(description.api).alive(), "the coordinator", SLACK_S
    )


def _enrol(network: Network) -> None:
    # (3) Keys, enrolments, agents.
    plan, family = network.plan, network.family
    network.view.step("enrolling the agents")
    for number in range(1, plan.agents + 1):
        owner_file = network.data / "owners" / f"owner-{number}.key"
        network.agents.append(
            Agent(
                name=f"agent {number}",
                folder=network.data / f"agent-{number}",
                owner=keyfile.make_key(owner_file),
                owner_file=owner_file,
                cheats=plan.agents > 1 and number == plan.agents,
            )
        )
    for agent in network.agents:
        command = _python(
            "edgeproof.cli",
            "agent",
            "enrol",
            "--network",
            network.founded.api,
            "--owner-key-file",
            str(agent.owner_file),
            "--state",
            str(agent.folder),
        )
        family.start(f"{agent.name} enrols", command)
    for agent in network.agents:
        family.finish(f"{agent.name} enrols", SLACK_S)
        agent.device = keyfile.read_key(agent.folder / "device.key").address
        family.start(
            agent.name, _run(network, agent), _agent_environment(network, agent)
        )
        kind = plan.cheat.kind
        cheats = f", will cheat in the last epoch: {kind}" if agent.cheats else ""
        network.view.say(
            f"{agent.name}      {to_hex(agent.device)}"
            f" for {short(to_hex(agent.owner.address))}{cheats}"
        )


def _run(network: Network, agent: Agent) -> list[str]:
    if not agent.cheats:
        return _python("edgeproof.cli", "agent", "run", "--state", str(agent.folder))
    # Whose work it hands in, where that is its trick: that of the agent before it.
    twin = network.agents[network.agents.index(agent) - 1]
    return _python(
        "edgeproof.simulator.cheating_agent",
        "--state",
        str(agent.folder),
        "--cheat",
        network.plan.cheat.kind,
        "--from-file",
        str(network.cheat_file),
        "--twin",
        to_hex(twin.device),
    )


def _agent_environment(network: Network, agent: Agent) -> dict[str, str]:
    environment = {
        # Three agents cannot share a card, and the demo is the same everywhere.
        "EDGEPROOF_CARDS": "cpu",
        "EDGEPROOF_AGENT_CPU_SHARE": str(CPU_SHARE),
        "EDGEPROOF_AGENT_TELEMETRY_S": "2",
        "EDGEPROOF_AGENT_RESEND_S": "2",
        "EDGEPROOF_AGENT_PROVER_LINGER_S": "60",
    }
    if agent.cheats:
        command = _python(
            "edgeproof.simulator.cheating_prover",
            "--cheat",
            network.plan.cheat.kind,
            "--from-file",
            str(network.cheat_file),
        )
        environment["EDGEPROOF_AGENT_PROVER_COMMAND"] = json.dumps(command)
    return environment


def _can_prove(agent: Agent) -> bool:
    """Return whether the agent's kernels are compiled: it knows its cards then."""
    with closing(State(agent.folder, read_only=True)) as state:
        return bool(state.get("cards"))


def _watch(network: Network) -> tuple[int, tuple[EpochNow, ...]]:
    # (4) The first epoch that all agents take part in, and what follows.
    observer = Observer(network.founded.api)
    parameters, view, plan = network.parameters, network.view, network.plan
    devices = {to_hex(agent.device) for agent in network.agents}
    _until(
        network,
        lambda: (
            all(_can_prove(agent) for agent in network.agents)
            and devices <= {d.address for d in observer.look().devices}
        ),
        "all agents",
        SLACK_S,
    )
    # It is the next one: some may have enrolled amid this one, or begun to work.
    slot = timetable.slot_at(parameters, int(time.time() * SECOND))
    first = timetable.epoch_of(parameters, slot) + 1
    last = first + plan.epochs - 1
    start = timetable.slot_start(parameters, timetable.first_slot(parameters, last))
    begins = CHEAT_SLOT_MS if plan.cheat.heard else CHEAT_BEAT_MS
    network.cheat_file.write_text(str(start + begins))
    close = timetable.slot_start(parameters, timetable.close_of(parameters, last))
    shown = first - 1
    now = observer.look()
    while time.time() < close / 1000 + SLACK_S:
        network.family.check()
        now = observer.look()
        view.show(now)
        for epoch in now.epochs:
            if epoch.epoch > shown and epoch.state in {"finalised", "nothing"}:
                view.epoch(epoch)
                shown = epoch.epoch
        if shown >= last:
            break
        time.sleep(LOOK_EVERY)
    return first, tuple(epoch for epoch in now.epochs if epoch.epoch <= last)


def _claims(network: Network) -> dict[str, tuple[int, int]]:
    """Return (owed, token balance) by owner."""
    # (5) Owners claim; the chain's faucet pays their gas.
    client = ChainClient(network.rpc)
    observer = Observer(network.founded.api)
    balances = {}
    for agent in network.agents:
        owner = agent.owner.address
        owed = observer.claim(to_hex(owner))
        if owed is None:
            network.view.say(f"{agent.name}: nothing to claim for {to_hex(owner)}")
            balances[to_hex(owner)] = (0, 0)
            continue
        client.fund(owner)
        transaction = claim(
            client,
            agent.owner.secret,
            network.founded.distributor,
            owner,
            owed.amount,
            owed.proof,
        )
        held = client.token_balance(network.founded.token, owner)
        balances[to_hex(owner)] = (owed.amount, held)
        network.view.say(
            f"{agent.name}: owner {to_hex(owner)} claimed in {to_hex(transaction)},"
            f" holds {tokens(held)} EDGE"
        )
    return balances


def _audit(network: Network, first: int) -> dict[int, str]:
    """Return by epoch what the audit found wrong, empty if all agrees."""
    # (6) As any outsider would: from the folders, against the chain.
    found_wrong = {}
    reader = DistributorReader(network.rpc, network.founded.distributor)
    for epoch in range(first, first + network.plan.epochs):
        report = audit(network.bundles / str(epoch), reader, progress=network.view.step)
        found_wrong[epoch] = report.failure
        if report.agrees and report.root is not None:
            network.view.say(
                f"audit of epoch {epoch}: root recomputed from the bundle"
                f" {to_hex(report.root)} = root on chain"
            )
    return found_wrong


def _say_how_to_audit(network: Network, epoch: int) -> None:
    folder = network.bundles / str(epoch)
    network.view.say(f"Kept in {network.data}.  Audit it again, offline:")
    network.view.say(f"  edgeproof audit {folder}")


def _serve(network: Network) -> None:
    view, observer = network.view, Observer(network.founded.api)
    view.say(f"The network goes on.  Explorer: {network.founded.api}")
    view.say("Audit against the chain while it runs:")
    view.say(
        f"  edgeproof audit {network.bundles / '0'} --rpc {network.rpc}"
        f" --distributor {to_hex(network.founded.distributor)}"
    )
    view.say("Stop it with ctrl-C.")
    while True:
        network.family.check()
        view.show(observer.look())
        time.sleep(LOOK_EVERY)


def _until(
    network: Network, done: Callable[[], bool], what: str, seconds: float
) -> None:
    """Wait until ``done``; raise if a child dies or it takes too long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        network.family.check()
        try:
            if done():
                return
        except httpx.HTTPError:
            pass
        time.sleep(LOOK_EVERY / 2)
    msg = f"{what} took longer than {seconds:g} s"
    raise EdgeproofError(msg, hint="is this machine very busy?  Try again")


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """Yield a private folder, removed at the end unless it is to be kept."""
    if keep is not None:
        keep = keep.expanduser().absolute()
        if keep.exists() and any(keep.iterdir()):
            msg = f"{keep} is not empty"
            raise EdgeproofError(msg, hint="name a new folder: --keep DIR")
        keep.mkdir(mode=0o700, parents=True, exist_ok=True)
        yield keep
        return
    folder = Path(tempfile.mkdtemp(prefix="edgeproof-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
