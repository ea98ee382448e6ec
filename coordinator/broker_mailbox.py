"""What a broker still owes one client: bounded, in order, at least once."""

from collections import deque
from dataclasses import dataclass, replace

MAX_MESSAGES = 10_000
"""Messages that wait for one client at most; then the newest is dropped."""

MAX_BYTES = 32 * 1024 * 1024
"""Bytes of payload that wait for one client at most."""

WINDOW = 100
"""Messages on their way to one client without its acknowledgement."""

_PACKET_IDS = 65_535


@dataclass(frozen=True, slots=True)
class Message:
    """One message for one client; ``packet_id`` 0 means: not acknowledged (QoS 0)."""

    topic: str
    payload: bytes
    retained: bool = False
    acknowledged: bool = True
    packet_id: int = 0
    duplicate: bool = False


class Mailbox:
    """Messages for one client.  It outlives the client's connections.

    A message leaves it when the client acknowledged it, or, at most once, when it was
    handed out.
    """

    def __init__(
        self,
        *,
        max_messages: int = MAX_MESSAGES,
        max_bytes: int = MAX_BYTES,
        window: int = WINDOW,
    ) -> None:
        self._max_messages = max_messages
        self._max_bytes = max_bytes
        self._window = window
        self._waiting: deque[Message] = deque()
        self._on_the_way: dict[int, Message] = {}
        self._bytes = 0
        self._last_id = 0
        self._used_ids: set[int] = set()
        self.dropped = 0

    def __len__(self) -> int:
        """Return how many messages are owed."""
        return len(self._waiting) + len(self._on_the_way)

    def put(self, message: Message) -> bool:
        """Owe one more, or drop and count it if the mailbox is full."""
        size = len(message.payload)
        if len(self) >= self._max_messages or self._bytes + size > self._max_bytes:
            self.dropped += 1
            return False
        self._waiting.append(message)
        self._bytes += size
        return True

    def next(self) -> Message | None:
        """Return what to send now; None if nothing waits or the window is full."""
        if not self._waiting:
            return None
        message = self._waiting[0]
        if not message.acknowledged:
            self._waiting.popleft()
            self._bytes -= len(message.payload)
            return message
        if len(self._on_the_way) >= self._window:
            return None
        self._waiting.popleft()
        sent = replace(message, packet_id=message.packet_id or self._free_id())
        self._on_the_way[sent.packet_id] = sent
        return sent

    def acknowledge(self, packet_id: int) -> bool:
        """Strike a message off; tell whether it was on its way."""
        message = self._on_the_way.pop(packet_id, None)
        if message is None:
            return False
        self._used_ids.discard(packet_id)
        self._bytes -= len(message.payload)
        return True

    def rewind(self) -> None:
        """Owe again, first and in order, what was on its way when a client left."""
        again = [replace(it, duplicate=True) for it in self._on_the_way.values()]
        self._on_the_way.clear()
        self._waiting.extendleft(reversed(again))

    def _free_id(self) -> int:
        """Return the next packet id that is not in use (MQTT 3.1.1, 2.3.1)."""
        while True:
            self._last_id = self._last_id % _PACKET_IDS + 1
            if self._last_id not in self._used_ids:
                self._used_ids.add(self._last_id)
                return self._last_id
