"""Makes ``bench`` importable, and hands out silent steps."""

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

sys.path.append(str(Path(__file__).parents[2]))

from bench.steps import Steps


@pytest.fixture
def steps() -> Iterator[Steps]:
    with Steps(Console(file=io.StringIO())) as quiet:
        yield quiet
