"""Cursors: where the next page of a list begins.  Opaque to whoever asks."""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Annotated, TypeVar

from fastapi import Query

from edgeproof.coordinator.reading import LATEST, PAGE
from edgeproof.coordinator.web.problems import Problem

T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=PAGE, description="Most rows.")]
Cursor = Annotated[
    str,
    Query(max_length=80, description="`next` of the page before, empty for the first."),
]

ADDRESS = re.compile(r"a(0x[0-9a-f]{40})")
EPOCH = re.compile(r"e([0-9]{1,18})")


def page(
    rows: Sequence[T], limit: int, key: Callable[[T], str | int]
) -> tuple[list[T], str]:
    """Return up to ``limit`` of the ``rows`` and the cursor behind them.

    The cursor is empty unless there are more: ask the reader for ``limit + 1``.
    """
    items = list(rows[:limit])
    if len(rows) <= limit:
        return items, ""
    last = key(items[-1])
    text = f"e{last}" if isinstance(last, int) else f"a{last}"
    return items, base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def after_address(cursor: str) -> str:
    """Return the address that a list continues behind."""
    return _read(ADDRESS, cursor) if cursor else ""


def before_epoch(cursor: str) -> int:
    """Return the epoch that a list, latest first, continues before."""
    return int(_read(EPOCH, cursor)) if cursor else LATEST


def _read(form: re.Pattern[str], cursor: str) -> str:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        text = base64.b64decode(padded, altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    found = form.fullmatch(text)
    if found is None:
        detail = f"cursor: {cursor!r:.80} is none that this list gave out"
        hint = "begin without a cursor"
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, hint)
    return found[1]
