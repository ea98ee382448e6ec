"""``edgeproof audit`` as somebody types it, with the verifiers of the real network."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from edgeproof.audit.bundle import attest, read_bundle, write_bundle
from edgeproof.audit.commands import audit_command
from edgeproof.audit.replay import replay
from edgeproof.proofs.parameters import Bucket
from edgeproof.simulator.epochs import Behaviour, SimulatedNetwork

app = typer.Typer()
app.command()(audit_command)

runner = CliRunner(env={"COLUMNS": "200"})


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an honest bundle, and one whose signers lie."""
    folder = tmp_path_factory.mktemp("bundles")
    network = SimulatedNetwork(count=2)
    only_nonces = Behaviour(skips=frozenset({Bucket.COMPUTE}))
    record = network.epoch(0, {0: only_nonces, 1: only_nonces})
    honest = replay(record)
    verdict, *others = honest.verdicts
    lie = replace(honest, verdicts=(replace(verdict, figure=10**30), *others))
    for name, outcome in (("honest", honest), ("lie", lie)):
        data_hash = write_bundle(folder / name, record, outcome)
        attest(folder / name, *network.attestation(record, outcome, data_hash))
    return folder


def test_an_honest_bundle_is_a_table_and_exit_0(bundles: Path) -> None:
    done = runner.invoke(app, [str(bundles / "honest")])
    assert done.exit_code == 0
    root = read_bundle(bundles / "honest").outcome.root
    assert f"recomputed root: 0x{root.hex()}" in done.stdout
    assert "payouts recomputed" in done.stdout
    assert "All agree." in done.stdout
    assert "recomputing ..." in done.stderr


def test_a_lie_is_the_first_difference_and_exit_1(bundles: Path) -> None:
    done = runner.invoke(app, [str(bundles / "lie")])
    assert done.exit_code == 1
    assert "verdicts.parquet row 0: expected figure " in done.stdout
    assert f"got figure {10**30}" in done.stdout


def test_json_is_one_object(bundles: Path) -> None:
    done = runner.invoke(app, [str(bundles / "honest"), "--json"])
    assert done.exit_code == 0
    report = json.loads(done.stdout)
    outcome = read_bundle(bundles / "honest").outcome
    assert report["agrees"] is True
    assert report["failure"] is None
    assert report["cumulative_total"] == str(outcome.cumulative_total)
    assert report["root"] == "0x" + outcome.root.hex()

    done = runner.invoke(app, [str(bundles / "lie"), "--json"])
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert report["difference"]["file"] == "verdicts.parquet"
    assert report["difference"]["row"] == 0
    assert report["difference"]["got"] == f"figure {10**30}"


def test_no_bundle_is_explained(bundles: Path) -> None:
    done = runner.invoke(app, [str(bundles / "nowhere")])
    assert done.exit_code == 1
    assert "no bundle at" in done.stdout
    assert "hint: name the folder of one epoch" in done.stdout


@pytest.mark.parametrize(
    "options",
    [
        ["--rpc", "http://127.0.0.1:1"],
        ["--distributor", "0x" + "11" * 20],
        ["--rpc", "http://127.0.0.1:1", "--distributor", "0x11"],
    ],
)
def test_wrong_usage_exits_2(bundles: Path, options: list[str]) -> None:
    assert runner.invoke(app, [str(bundles / "honest"), *options]).exit_code == 2


def test_a_node_that_does_not_answer_is_a_failure(bundles: Path) -> None:
    options = ["--rpc", "http://127.0.0.1:1", "--distributor", "0x" + "11" * 20]
    done = runner.invoke(app, [str(bundles / "honest"), *options])
    assert done.exit_code == 1
    assert "no answer from the chain at http://127.0.0.1:1" in done.stdout


def test_the_command_is_imported_without_what_recomputes() -> None:
    code = (
        "import sys, edgeproof.audit.commands;"
        "print({'pyarrow', 'numba', 'numpy', 'web3'} & sys.modules.keys())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"
