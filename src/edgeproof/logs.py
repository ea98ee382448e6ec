"""Logs: for people on a terminal, one JSON object a line anywhere else."""

import logging
import sys
from typing import Any

from edgeproof import lean

structlog: Any = lean.load("structlog", "rich")


def configure(level: str) -> None:
    """Send everything of at least ``level`` to standard error, once for the process.

    What the libraries log joins from severity warning on.
    """
    terminal = sys.stderr.isatty()
    renderer = (
        structlog.dev.ConsoleRenderer()
        if terminal
        else structlog.processors.JSONRenderer()
    )
    shared = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            *shared,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                renderer,
            ],
            foreign_pre_chain=shared,
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def logger() -> Any:  # noqa: ANN401 - structlog's loggers are typed by what they wrap
    """Return a logger: ``log.info("event", key=value)``."""
    return structlog.get_logger()
