"""What running PTX on the CPU needs."""

import pytest

from tests.conftest import RequireService


@pytest.fixture(scope="session", autouse=True)
def compiler(require_service: RequireService) -> None:
    """Skip these tests, or fail them in CI, where there is no C compiler."""
    require_service("gcc", "apt-get install gcc libc6-dev")
