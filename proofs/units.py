"""How figures are shown to people: never what is computed, hashed or paid with."""

_PREFIXES = ((10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))

_MULTIPLES = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def quantity(value: int, unit: str) -> str:
    """Return ``12.3 GMAC/s``: three digits and an SI prefix; bytes as ``1.5 GiB``."""
    steps = tuple((step, prefix + unit) for step, prefix in _PREFIXES)
    if unit == "bytes":
        steps = _MULTIPLES
    for step, name in steps:
        if value * 10_000 >= step * 9_995:  # else 999.5 to 1000 would be "1e+03"
            scaled = value / step
            digits = f"{scaled:.3g}" if scaled < 999.5 else f"{scaled:.0f}"
            return f"{digits} {name}"
    return f"{value} {unit}"
