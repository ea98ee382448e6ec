"""What a demo consists of: the plan, the agents, and where everything stands."""

from dataclasses import dataclass, field
from pathlib import Path

from edgeproof.coordinator.founding import BUNDLES
from edgeproof.proofs.parameters import Parameters
from edgeproof.simulator.cheats.cheat import Cheat
from edgeproof.simulator.processes import Family
from edgeproof.simulator.view import View
from edgeproof.telemetry.description import Description
from edgeproof.telemetry.signing import Key


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What ``edgeproof demo`` was asked for."""

    agents: int
    cheat: Cheat
    epochs: int
    keep: Path | None
    serve: bool
    broker: str | None
    rpc: str | None


@dataclass(slots=True)
class Agent:
    """One agent of the demo: its number, owner and folder."""

    name: str
    folder: Path
    owner: Key
    owner_file: Path
    cheats: bool
    device: bytes = b""


@dataclass(slots=True)
class Network:
    """What runs."""

    plan: Plan
    data: Path
    family: Family
    view: View
    rpc: str = ""
    description: Description | None = None
    agents: list[Agent] = field(default_factory=list)

    @property
    def parameters(self) -> Parameters:
        """The network's parameters, once it is founded."""
        return self.founded.parameters

    @property
    def founded(self) -> Description:
        """The network's description, once it is founded."""
        if self.description is None:
            msg = "the network is not founded yet"
            raise RuntimeError(msg)
        return self.description

    @property
    def bundles(self) -> Path:
        """The folder of the published epochs."""
        return self.data / BUNDLES

    @property
    def cheat_file(self) -> Path:
        """Names the moment from which on the cheater cheats."""
        return self.data / "cheat-from"
