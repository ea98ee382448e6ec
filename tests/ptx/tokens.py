"""The words of PTX, each with its line."""

import re
from dataclasses import dataclass

from tests.ptx.model import Float, Integer, PtxError

IGNORED = re.compile(
    r"//[^\n]*"
    r"|/\*.*?\*/"
    r"|^[ \t]*\.(?:loc|file)\b[^\n]*",  # for debuggers; they end with their line
    re.DOTALL | re.MULTILINE,
)
WORD = re.compile(
    r"(?P<space>\s+)"
    r'|(?P<string>"[^"]*")'
    r"|(?P<number>[0-9]+\.[0-9]+|[0-9][0-9a-zA-Z]*)"  # a version has a point
    r"|(?P<name>[%$_a-zA-Z][\w$]*)"
    r"|(?P<dotted>\.[a-zA-Z_][\w:]*)"
    r"|(?P<sign>[{}\[\]()<>,;:=+\-@!|])"
)

BASES = {"0x": 16, "0b": 2, "0": 8, "": 10}


@dataclass(frozen=True)
class Token:
    """One word.  ``kind`` is string, number, name, dotted or sign."""

    kind: str
    text: str
    line: int


def tokens(source: str) -> list[Token]:
    """Split a text into its words; comments and lines for debuggers are left out.

    Raises PtxError at a character that starts no word.
    """
    text = IGNORED.sub(lambda match: "\n" * match[0].count("\n"), source)
    found = []
    position, line = 0, 1
    while position < len(text):
        match = WORD.match(text, position)
        if match is None:
            raise PtxError(line, f"unexpected character {text[position]!r}")
        kind = match.lastgroup or ""
        if kind != "space":
            found.append(Token(kind, match[0], line))
        line += match[0].count("\n")
        position = match.end()
    return found


def number(token: Token) -> Integer | Float:
    """Return the literal that a number stands for."""
    text = token.text
    if match := re.fullmatch(r"0[fF]([0-9a-fA-F]{8})", text):
        return Float(int(match[1], 16), 32)
    if match := re.fullmatch(r"0[dD]([0-9a-fA-F]{16})", text):
        return Float(int(match[1], 16), 64)
    digits = text.removesuffix("U")
    prefix = re.match(r"0[xXbB]|0(?=.)|", digits)
    try:
        value = int(digits, BASES[prefix[0].lower() if prefix else ""])
    except ValueError:
        raise PtxError(token.line, f"{text!r} is no number") from None
    if value >= 1 << 64:
        raise PtxError(token.line, f"{text!r} exceeds 64 bits")
    return Integer(value)
