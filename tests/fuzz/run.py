"""Fuzz every decoder with atheris (libFuzzer): ``run.py [SECONDS]``, 60 by default.

Starts from the committed corpus and changes nothing in it.  An input that breaks a
decoder is written to ``crash-*`` in the working folder, and the exit status is not 0.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

with atheris.instrument_imports(include=["edgeproof", "tests.fuzz"]):
    from tests.fuzz.decoders import one

CORPUS = Path(__file__).parent / "corpus"
LONGEST = 8192
"""Bytes of the longest input."""


def main(seconds: int) -> None:
    """Fuzz for so long; libFuzzer ends the process."""
    with TemporaryDirectory() as found:
        arguments = [
            sys.argv[0],
            f"-max_total_time={seconds}",
            f"-max_len={LONGEST}",
            "-timeout=10",
            "-rss_limit_mb=2048",
            "-print_final_stats=1",
            found,
            str(CORPUS),
        ]
        atheris.Setup(arguments, one)
        atheris.Fuzz()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 60)
