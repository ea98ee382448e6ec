"""What the network said of this device last, for its owner.

Reads the state beside a running agent or without one; never asks the network.
"""

import math
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from edgeproof.agent import identity, load, outbox, pause
from edgeproof.agent.options import COMMIT_MARGIN_MS
from edgeproof.agent.state import DISK_FULL_FILE, State
from edgeproof.proofs import history, timetable
from edgeproof.proofs.parameters import SECOND, Bucket
from edgeproof.proofs.reasons import Reason
from edgeproof.telemetry.hexes import to_hex
from edgeproof.units import quantity

UNIT = 10**18
"""Smallest units of one token."""


def collect(folder: Path) -> dict[str, Any]:
    """Return everything known, as JSON values; raise ``NotEnrolled``."""
    with closing(State(folder, read_only=True)) as state:
        network = state.network()
        statements = state.statements(1)
        position = state.position()
        cards = state.get("cards") or []
        expected = timetable.expected_load(network.parameters, COMMIT_MARGIN_MS)
        names, known = [card["card"] for card in cards], state.get("load") or {}
        worked = load.per_hour(known, names, expected, time.time())
        slot_s = network.parameters.slot_ms / SECOND
        return {
            "device": to_hex(identity.device_key(folder).address),
            "owner": state.get("owner"),
            "network": to_hex(network.network_id),
            "coordinator": to_hex(network.coordinator),
            "explorer": network.api,
            "disk_full": (folder / DISK_FULL_FILE).exists(),
            "paused": pause.is_paused(folder),
            "last_beacon_slot": position.slot if position else None,
            "last_acknowledged": state.get("acknowledged"),
            "uptime": {
                name: {
                    "accepted": window.accepted,
                    "countable": window.countable,
                    "permille": window.permille,
                    "longest_outage": window.longest_outage,
                    "longest_outage_s": round(window.longest_outage * slot_s),
                    "reasons": {Reason(c).name: n for c, n in window.reasons.items()},
                }
                for name, window in history.windows(
                    network.parameters, state.uptime()
                ).items()
            },
            "statement": statements[0] if statements else None,
            "figures": state.get("figures") or [],
            "cards": cards,
            "load": {str(card): round(s, 1) for card, s in worked.items()},
            "expected_load": round(expected, 1),
            "ends": state.get("ends") or [],
            "refused": state.get("refused") or [],
            "unacknowledged": outbox.backlog(folder),
        }


def lines(found: dict[str, Any], now: float | None = None) -> list[str]:
    """Return the lines that a person reads; ``now`` is Unix seconds."""
    now = time.time() if now is None else now
    rows = [
        ("device", found["device"]),
        ("owner", found["owner"]),
        ("network", f"{found['network'][:18]}…  {found['explorer']}"),
        ("last heard", _slot(found["last_beacon_slot"])),
        ("acknowledged", _acknowledged(found["last_acknowledged"], now)),
    ]
    if found["disk_full"]:
        rows.append(
            ("disk full", "messages wait in memory; free some room (DISK_FULL)")
        )
    if found["paused"]:
        rows.append(("paused", "nothing is proven until `edgeproof agent resume`"))
    rows += [("card", _card(card)) for card in found["cards"]]
    most = math.ceil(found["expected_load"])
    rows += [
        ("proof load", f"{seconds:.1f} s/h on card {card} (of {most})")
        for card, seconds in found["load"].items()
    ]
    rows += [("committed", _figure(figure)) for figure in found["figures"]]
    rows += _statement(found["statement"])
    rows += [
        (f"uptime, {name}", _uptime(window))
        for name, window in found["uptime"].items()
        if window["countable"]
    ]
    waiting = ", ".join(f"{n} {kind}" for kind, n in found["unacknowledged"].items())
    rows.append(("unacknowledged", waiting or "nothing"))
    rows += [("ended", _end(end, now)) for end in found["ends"][-5:]]
    rows += [("refused", _refusal(refusal)) for refusal in found["refused"][-3:]]
    return [f"{name:<15} {text}" for name, text in rows]


def tokens(amount: int) -> str:
    """Return an amount of smallest units as tokens, exactly."""
    whole, part = divmod(amount, UNIT)
    return f"{whole}.{part:018d}".rstrip("0").rstrip(".")


def _slot(slot: int | None) -> str:
    return "nothing from the network yet" if slot is None else f"beacon of slot {slot}"


def _acknowledged(known: dict[str, Any] | None, now: float) -> str:
    if known is None:
        return "no heartbeat yet; is `edgeproof agent run` running?"
    ago = max(0, int(now - known["at"] / 1000))
    return f"heartbeat of slot {known['slot']}, {ago} s ago"


def _card(card: dict[str, Any]) -> str:
    return f"{card['card']}: {card['name']} ({card['kind']}), n = {card['size']}"


def _figure(figure: dict[str, Any]) -> str:
    shown = quantity(int(figure["committed"]), figure["unit"])
    return f"{shown} by card {figure['card']} in the round of slot {figure['round']}"


def _end(end: dict[str, Any], now: float) -> str:
    ago = max(0, int(now - end["at"] / 1000))
    reason = f"{end['reason']['text']} ({end['reason']['name']}), {ago} s ago"
    if "phase" not in end:
        return reason
    phase = end["phase"].lower().replace("_", " ")
    return (
        f"{phase} by card {end['card']} in the round of slot {end['round']}: {reason}"
    )


def _uptime(window: dict[str, Any]) -> str:
    share = window["permille"]
    text = (
        f"{share // 10}.{share % 10} %, "
        f"{window['accepted']} of {window['countable']} slots"
    )
    if window["longest_outage"]:
        text += f", longest outage {_duration(window['longest_outage_s'])}"
    why = (
        f"{count} {Reason[name].text} ({name})"
        for name, count in window["reasons"].items()
    )
    return "; ".join([text, *why])


def _duration(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    return f"{seconds // 60} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _refusal(refusal: dict[str, Any]) -> str:
    return f"a {refusal['kind']}: {refusal['reason']['text']}"


def _statement(statement: dict[str, Any] | None) -> list[tuple[str, str]]:
    if statement is None:
        return [("statement", "none yet: they come after each epoch's close")]
    accepted, counted = statement["accepted"], statement["counted"]
    share = f"{100 * accepted / counted:.1f} %" if counted else "-"
    rewards = [int(reward) for reward in statement["rewards"]]
    rows = [
        ("epoch", str(statement["epoch"])),
        ("uptime", f"{share}, {accepted} of {counted} slots"),
        ("reward", f"{tokens(sum(rewards))} tokens"),
    ]
    for index, reward in enumerate(rewards[: len(Bucket)]):
        codes = statement["reasons"][index : index + 1]
        why = f", {codes[0]['text']}" if codes and codes[0]["code"] else ""
        rows.append((f"  {Bucket(index).name.lower()}", f"{tokens(reward)}{why}"))
    return rows
