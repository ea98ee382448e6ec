"""Roots that a distributor finalised before its latest one, from its events."""

from typing import Any

from edgeproof.chain import artifacts
from edgeproof.chain.client import ChainClient
from edgeproof.chain.state import OnChainRoot


def finalised_root(
    client: ChainClient, distributor: bytes, last_epoch: int
) -> OnChainRoot | None:
    """Return the finalised root that ends with ``last_epoch``, or None.

    At most one was ever finalised.  Its data hash stands in the post that it came
    from: the last one of the same epochs, root and total before it.
    """
    with client._explained():  # noqa: SLF001 - same package, same rules for errors
        contract: Any = client._web3.eth.contract(  # noqa: SLF001 - as above
            client._web3.to_checksum_address("0x" + distributor.hex()),  # noqa: SLF001 - as above
            abi=artifacts.load("Distributor").abi,
        )
        wanted = {"from_block": 0, "argument_filters": {"lastEpoch": last_epoch}}
        finalised = contract.events.RootFinalised.get_logs(**wanted)
        posted = contract.events.RootPosted.get_logs(**wanted)
    for event in finalised:
        for post in reversed(posted):
            same = all(
                event["args"][name] == post["args"][name]
                for name in ("firstEpoch", "lastEpoch", "root", "cumulativeTotal")
            )
            if same:
                root = post["args"]
                return OnChainRoot(
                    root["firstEpoch"],
                    root["lastEpoch"],
                    bytes(root["root"]),
                    root["cumulativeTotal"],
                    bytes(root["dataHash"]),
                )
    return None
