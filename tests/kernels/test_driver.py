"""The driver's errors in words, and one prover to a card."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from numba.cuda.cudadrv import driver as cuda_driver
from numba.cuda.cudadrv.error import CudaSupportError, NvvmSupportError

from edgeproof.errors import EdgeproofError
from edgeproof.kernels.cuda import driver
from edgeproof.kernels.cuda.driver import Device
from edgeproof.kernels.failures import CardOutOfMemory, DriverReset

api_error: Callable[[int, str], Exception] = cuda_driver.CudaAPIError

FULL, LOST, OTHER = CardOutOfMemory, DriverReset, EdgeproofError

DEVICE = Device(1, "NVIDIA X", "GPU-5a", (9, 0), 1 << 34)


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("error", "hint", "kind"),
    [
        (lambda: api_error(2, "CUDA_ERROR_OUT_OF_MEMORY"), "smaller size", FULL),
        (MemoryError, "smaller size", FULL),
        (lambda: api_error(222, "CUDA_ERROR_UNSUPPORTED_PTX_VERSION"), "driver", OTHER),
        (lambda: api_error(209, "CUDA_ERROR_NO_BINARY_FOR_GPU"), "driver", OTHER),
        (lambda: api_error(46, "CUDA_ERROR_DEVICE_UNAVAILABLE"), "exclusive", OTHER),
        (lambda: api_error(101, "CUDA_ERROR_INVALID_DEVICE"), "vanished", LOST),
        (lambda: api_error(214, "CUDA_ERROR_ECC_UNCORRECTABLE"), "faulty", LOST),
        (lambda: api_error(719, "CUDA_ERROR_LAUNCH_FAILED"), "new process", LOST),
        (lambda: api_error(700, "CUDA_ERROR_ILLEGAL_ADDRESS"), "new process", LOST),
        (lambda: api_error(999, "CUDA_ERROR_UNKNOWN"), "dmesg", LOST),
        (lambda: CudaSupportError("no driver\n  here"), "new process", OTHER),
        (lambda: NvvmSupportError("no NVVM"), "new process", OTHER),
    ],
)
def test_every_error_of_the_driver_says_what_to_do(
    error: Callable[[], Exception], hint: str, kind: type
) -> None:
    with (
        pytest.raises(EdgeproofError, match="card 1") as refused,
        driver.translated("card 1"),
    ):
        raise error()
    assert hint in refused.value.hint
    assert type(refused.value) is kind
    assert "\n" not in str(refused.value)


def test_an_error_of_our_own_stays_a_bug() -> None:
    with pytest.raises(KeyError), driver.translated("card 1"):
        raise KeyError


def test_where_there_is_no_driver_that_is_said() -> None:
    if Path("/dev/nvidia0").exists():
        pytest.skip("this machine has an NVIDIA card")
    with pytest.raises(EdgeproofError, match="the NVIDIA driver says"):
        driver.devices()


@dataclass
class FakeDevice:
    """A card as Numba presents it: a context to enter, and what the driver told."""

    id: int
    name: str | bytes
    compute_capability: tuple[int, int]
    entered: int = 0

    @property
    def uuid(self) -> str:
        return f"GPU-{self.id}"

    def __enter__(self) -> None:  # as Numba's: nothing is returned
        if b"faulty" in str(self.name).encode():
            raise api_error(46, "CUDA_ERROR_DEVICE_UNAVAILABLE")
        self.entered += 1

    def __exit__(self, *_: object) -> None:
        self.entered -= 1


def test_the_drivers_cards_are_listed_with_their_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cards = [FakeDevice(0, "NVIDIA A", (9, 0)), FakeDevice(1, b"NVIDIA B", (7, 5))]

    def context() -> SimpleNamespace:
        (current,) = (card for card in cards if card.entered)
        info = SimpleNamespace(free=1, total=(current.id + 1) << 30)
        return SimpleNamespace(get_memory_info=lambda: info)

    fake = SimpleNamespace(
        is_available=lambda: True, gpus=cards, current_context=context
    )
    monkeypatch.setattr(driver, "cuda", fake)
    assert driver.devices() == [
        Device(0, "NVIDIA A", "GPU-0", (9, 0), 1 << 30),
        Device(1, "NVIDIA B", "GPU-1", (7, 5), 2 << 30),
    ]
    assert os.environ["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"
    with driver.on(driver.devices()[1]) as found:
        assert found.get_memory_info().total == 2 << 30


def test_a_card_that_cannot_be_entered_is_listed_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cards = [FakeDevice(0, "faulty", (9, 0)), FakeDevice(1, "NVIDIA B", (9, 0))]
    info = SimpleNamespace(get_memory_info=lambda: SimpleNamespace(total=1 << 30))
    fake = SimpleNamespace(
        is_available=lambda: True, gpus=cards, current_context=lambda: info
    )
    monkeypatch.setattr(driver, "cuda", fake)
    assert [device.memory for device in driver.devices()] == [0, 1 << 30]


def test_a_card_has_one_prover_at_a_time(runtime: Path) -> None:
    with driver.reserve(DEVICE):
        with pytest.raises(EdgeproofError, match=f"process {os.getpid()}") as refused:
            driver.reserve(DEVICE)
        assert "card 1 (NVIDIA X)" in str(refused.value)
        assert "EDGEPROOF_CARDS" in refused.value.hint
    with driver.reserve(DEVICE):  # free again
        pass
    (folder,) = runtime.iterdir()
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_reservation_ends_with_its_process() -> None:
    program = (
        "import os\n"
        "from edgeproof.kernels.cuda import driver\n"
        "held = driver.reserve(driver.Device(1, 'X', 'GPU-5a', (9, 0), 1))\n"
        "os._exit(3)  # as if it were killed\n"
    )
    done = subprocess.run([sys.executable, "-c", program], check=False)
    assert done.returncode == 3
    driver.reserve(DEVICE).close()


def test_a_folder_that_others_could_write_to_holds_no_reservation(
    runtime: Path,
) -> None:
    folder = runtime / f"edgeproof-cards-{os.getuid()}"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(EdgeproofError, match="not a private folder"):
        driver.reserve(DEVICE)
