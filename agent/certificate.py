"""The certificate that this device connects with: kept good without anybody's help."""

import asyncio
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

from edgeproof.agent.state import State
from edgeproof.logs import logger
from edgeproof.telemetry.backoff import Random, full_jitter
from edgeproof.telemetry.tls import client_context

TLS_KEY_FILE, CERTIFICATE_FILE = "client.key", "client.pem"
"""Names of the files in the state folder, mode 600."""

VALIDITY = "certificate"
"""Name of what is remembered of the certificate: when it begins and ends."""

LONGEST_S = 120.0
"""The process that gets a certificate is given up after this long."""

LOOK_EVERY_S = 600.0
"""How often it is asked whether it is time to renew."""

LONGEST_WAIT_S = 900.0
"""The longest pause after a failure."""


def is_due(begins: int, ends: int, now: float) -> bool:
    """Tell whether to renew: a third of its life is left, or the clock is outside it.

    All are Unix seconds.  A clock that jumped costs one certificate, no connection.
    """
    return not begins <= now < ends - (ends - begins) / 3


class Certificates:
    """Renew in time, again and again, in a process of its own; never in anyone's way.

    ``make(folder)`` gets a certificate and returns one line of JSON, or raises.
    """

    def __init__(
        self,
        state: State,
        folder: Path,
        *,
        rng: Random,
        make: Callable[[Path], Awaitable[str]] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._state = state
        self._folder = folder
        self._rng = rng
        self._make = make
        self._clock = clock
        self._log = logger()

    async def run(self) -> None:
        """Serve until cancelled."""
        failures = 0
        while True:
            if not self.due:
                failures = 0
                await asyncio.sleep(LOOK_EVERY_S)
                continue
            why = await self._renew()
            if why:
                failures += 1
                wait = full_jitter(failures, self._rng, longest=LONGEST_WAIT_S)
                again = round(wait, 1)
                self._log.warning("no certificate", why=why, again_in_s=again)
                await asyncio.sleep(wait)

    @property
    def due(self) -> bool:
        """Whether there is none, or it is time for another one."""
        known = self._state.get(VALIDITY)
        there = (self._folder / CERTIFICATE_FILE).exists()
        return (
            not there
            or known is None
            or is_due(known["begins"], known["ends"], self._clock())
        )

    async def _renew(self) -> str:
        """Get a certificate; return why not, or nothing."""
        try:
            async with asyncio.timeout(LONGEST_S):
                said = await (self._make or _process)(self._folder)
            found = json.loads(said)
            validity = {"begins": int(found["begins"]), "ends": int(found["ends"])}
        except (OSError, ValueError, KeyError, TypeError) as error:
            return str(error) or type(error).__name__
        self._state.put(VALIDITY, validity)
        self._log.info("certificate renewed", ends=validity["ends"])
        return ""


def tls(folder: Path, authority: str) -> Callable[[], ssl.SSLContext]:
    """Return what makes the context of each connection from the files as they are."""
    return lambda: client_context(
        authority, folder / CERTIFICATE_FILE, folder / TLS_KEY_FILE
    )


async def _process(folder: Path) -> str:
    """Return what ``edgeproof.agent.certifying`` says; raise ``OSError``."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "edgeproof.agent.certifying",
        str(folder),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        said, complaint = await child.communicate()
    except BaseException:
        with suppress(ProcessLookupError):
            child.kill()
        await child.wait()
        raise
    if child.returncode:
        raise OSError(complaint.decode(errors="replace").strip()[-500:])
    return said.decode(errors="replace")
