"""What an auditor asks a real distributor: the latest root, and those before it."""

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from edgeproof.audit.distributor import DistributorReader
from edgeproof.chain.history import finalised_root
from edgeproof.chain.outbox import Outbox
from edgeproof.chain.poster import Poster

if TYPE_CHECKING:
    from tests.chain.conftest import Finish, Network

pytestmark = pytest.mark.integration


def test_every_finalised_root_is_found_and_no_other(
    network: "Network", tmp_path: Path, finish: "Finish"
) -> None:
    reader = DistributorReader(network.rpc, network.distributor)
    assert reader.posted_root(0) is None
    outbox = Outbox(tmp_path / "outbox.db")
    poster = Poster(network.client, outbox, network.key, network.distributor)
    first = network.signed((0, 0), b"\x01" * 32, 300)
    second = network.signed((1, 3), b"\x02" * 32, 700)
    finish(network, poster, [first])
    finish(network, poster, [first, second])
    outbox.close()

    for wanted in (first, second):
        older = finalised_root(network.client, network.distributor, wanted.last_epoch)
        assert older is not None
        assert older.body == wanted.body
        posted = reader.posted_root(wanted.last_epoch)
        assert posted is not None
        assert posted.final
        assert tuple(value for _, value in posted.root.values()) == wanted.body
    assert finalised_root(network.client, network.distributor, 1) is None
    assert reader.posted_root(4) is None
    assert reader.chain_id == network.client.chain_id


def test_a_root_in_its_window_is_not_final(
    patient_network: "Network", tmp_path: Path
) -> None:
    network = patient_network
    outbox = Outbox(tmp_path / "outbox.db")
    poster = Poster(network.client, outbox, network.key, network.distributor)
    root = network.signed((0, 0), b"\x01" * 32, 300)
    deadline = network.client.time() + 30
    reader = DistributorReader(network.rpc, network.distributor)
    while (posted := reader.posted_root(0)) is None:
        assert network.client.time() < deadline
        poster.advance([root], 0.0)
    outbox.close()
    assert not posted.final
    assert finalised_root(network.client, network.distributor, 0) is None
