"""NVIDIA's driver: which cards it offers, and its errors in words."""

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from edgeproof.errors import EdgeproofError
from edgeproof.kernels.cuda.architectures import Capability
from edgeproof.kernels.cuda.compiler import SIMULATED, cuda
from edgeproof.kernels.failures import CardOutOfMemory, DriverReset

DRIVER = "the NVIDIA driver"

LEAST: Capability = (7, 5)
"""The oldest cards that CUDA 13 compiles for."""

HINTS = {
    "OUT_OF_MEMORY": "choose a smaller size, or free memory of the card",
    "UNSUPPORTED_PTX_VERSION": "install a newer NVIDIA driver (CUDA 13 needs 580)",
    "NO_BINARY_FOR_GPU": "install a newer NVIDIA driver (CUDA 13 needs 580)",
    "INSUFFICIENT_DRIVER": "install a newer NVIDIA driver (CUDA 13 needs 580)",
    "SYSTEM_DRIVER_MISMATCH": "reboot: the driver was updated while it was loaded",
    "DEVICE_UNAVAILABLE": "another process holds the card in exclusive mode; stop it, "
    "or run: nvidia-smi -c DEFAULT",
    "NO_DEVICE": "check that nvidia-smi shows the card",
    "INVALID_DEVICE": "the card has vanished; check that nvidia-smi shows it",
    "ECC_UNCORRECTABLE": "the card's memory is faulty; see nvidia-smi -q -d ECC",
    "UNKNOWN": "see the kernel's log (dmesg) for lines with NVRM or Xid",
}
"""What a person can do about an error, by the end of its name in the driver API."""

LOST = frozenset({"INVALID_DEVICE", "NO_DEVICE", "ECC_UNCORRECTABLE", "UNKNOWN"})
"""Those of them after which, too, only a new process can use the card, if any."""

FATAL = "the card's work is lost; a new process can use it again"
"""The hint for every other error: in CUDA it poisons the whole process."""


@dataclass(frozen=True)
class Device:
    """A card as the driver knows it; memory in bytes, 0 where it does not say."""

    ordinal: int
    name: str
    uuid: str
    capability: Capability
    memory: int


def devices() -> list[Device]:
    """Return the cards in the order of their PCI addresses, as NVML counts them.

    Raises:
        EdgeproofError: the driver is missing, too old, or does not answer.

    """
    if SIMULATED:
        return [Device(0, "Numba's simulator", "simulated", (5, 2), 1 << 20)]
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    with translated(DRIVER):
        if not cuda.is_available():
            raise _refusal(DRIVER, str(cuda.cuda_error() or "NVVM is missing"))
        return [_device(card) for card in cuda.gpus]


def _device(card: Any) -> Device:
    total = 0
    # What is wrong with one card is for its own self-check to say.
    with contextlib.suppress(EdgeproofError), translated(DRIVER), card:
        total = int(cuda.current_context().get_memory_info().total)
    name = card.name.decode() if isinstance(card.name, bytes) else str(card.name)
    major, minor = card.compute_capability
    return Device(int(card.id), name, str(card.uuid), (major, minor), total)


@contextlib.contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn every error of the driver or its compilers into an ``EdgeproofError``."""
    try:
        yield
    except EdgeproofError:
        raise
    except MemoryError as error:
        raise _refusal(what, "CUDA_ERROR_OUT_OF_MEMORY") from error
    except Exception as error:
        if not type(error).__module__.startswith(("numba.cuda", "cuda.", "numba_cuda")):
            raise
        raise _refusal(what, str(error)) from error


def _refusal(what: str, said: str) -> EdgeproofError:
    said = " ".join(said.split())[:300]
    end = next((end for end in HINTS if end in said), "")
    kind = EdgeproofError
    if end == "OUT_OF_MEMORY":
        kind = CardOutOfMemory
    elif end in LOST or (not end and "CUDA_ERROR" in said):
        kind = DriverReset
    return kind(f"{what} says: {said}", hint=HINTS.get(end, FATAL))


@contextlib.contextmanager
def on(device: Device) -> Iterator[Any]:
    """Work on a card in this thread; yields its context."""
    what = f"card {device.ordinal} ({device.name})"
    with translated(what), cuda.gpus[device.ordinal]:
        yield cuda.current_context()


def reserve(device: Device) -> IO[str]:
    """Keep other provers of this user off a card while the returned file is open.

    Two processes on one card would each prove half of it, and fill its memory twice.

    Raises:
        EdgeproofError: another process has reserved it.

    """
    file = (_locks() / f"{device.uuid}.lock").open("a+", encoding="ascii")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.seek(0)
        holder = file.read(20).strip()
        file.close()
        msg = f"card {device.ordinal} ({device.name}) is in use by process {holder}"
        hint = "stop that agent, or name other cards in EDGEPROOF_CARDS"
        raise EdgeproofError(msg, hint=hint) from None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file


def _locks() -> Path:
    """Return a folder that is this user's alone."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    parent = Path(runtime) if Path(runtime).is_absolute() else None
    if parent is None or not os.access(parent, os.W_OK):
        parent = Path(tempfile.gettempdir())
    folder = parent / f"edgeproof-cards-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    private = not found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or not private:
        msg = f"{folder} is not a private folder of this user"
        raise EdgeproofError(msg, hint=f"remove it: rm -r {folder}")
    return folder
