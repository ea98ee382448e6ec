"""Runs a poster in a child that may kill itself at a step; not a test module.

Reads one JSON object a line: what to post, and at which step to die.  Answers each with
how the child ended.  It imports once and forks for every run, so a run costs no start.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

from edgeproof.chain.client import ChainClient
from edgeproof.chain.outbox import Outbox
from edgeproof.chain.poster import Poster
from edgeproof.chain.roots import RootToPost

PATIENCE = 30.0
"""Seconds after which a run that does not finish counts as failed."""


def post(order: dict[str, Any]) -> None:
    def checkpoint(step: str) -> None:
        kind, at = order["die_at"] or ("", "")
        if kind and step.startswith(kind) and step.endswith(f": {at}"):
            os.kill(os.getpid(), signal.SIGKILL)

    client = ChainClient(order["rpc"])
    distributor = bytes.fromhex(order["distributor"])
    root = RootToPost(
        first_epoch=order["epoch"],
        last_epoch=order["epoch"],
        root=bytes.fromhex(order["root"]),
        cumulative_total=order["total"],
        data_hash=bytes.fromhex(order["data_hash"]),
        signatures=tuple(
            (bytes.fromhex(signer), bytes.fromhex(signature))
            for signer, signature in order["signatures"]
        ),
    )
    poster = Poster(
        client,
        Outbox(Path(order["outbox"])),
        bytes.fromhex(order["key"]),
        distributor,
        checkpoint=checkpoint,
    )
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        events = poster.advance([root], time.time())
        if events[-1].message == "every wanted root is final":
            return
        time.sleep(0.05)
    raise TimeoutError(events)


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            status = 1
            try:
                post(json.loads(line))
                status = 0
            finally:
                os._exit(status)
        _, status = os.waitpid(child, 0)
        print(json.dumps(os.waitstatus_to_exitcode(status)), flush=True)


if __name__ == "__main__":
    main()
