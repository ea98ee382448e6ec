"""A development chain without a download: eth-tester behind JSON-RPC on loopback.

    python -m edgeproof.chain.devchain --port 0

prints one line ``{"rpc": "http://127.0.0.1:PORT", "chain_id": N}`` when it answers,
and ends on SIGTERM, SIGINT or the death of the thread that started it.  Each
transaction is mined at once; the chain's clock follows this machine's.  For demos and
tests only: its accounts are unlocked for whoever reaches the port, and its state is
gone when it ends.
"""

import argparse
import ast
import ctypes
import json
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from eth_tester import EthereumTester, PyEVMBackend
from eth_tester.exceptions import TransactionFailed
from web3 import EthereumTesterProvider, Web3

MAX_REQUEST = 4 << 20
"""Longest request body, in bytes; above a batch of 200 claims with their proofs."""

EXECUTION_REVERTED = 3
"""JSON-RPC error code of a revert, with the revert data beside it, as geth answers."""

SERVER_ERROR = -32000
"""JSON-RPC error code of a refused transaction, as geth answers."""

NOT_JSON = {"code": -32700, "message": "the request is not JSON"}
"""JSON-RPC's answer to a body that can't be parsed."""

READS_THE_CLOCK = frozenset(
    {
        "eth_call",
        "eth_estimateGas",
        "eth_getBlockByNumber",
        "eth_sendRawTransaction",
        "eth_sendTransaction",
    }
)
"""Methods whose answer depends on the time; before them the chain catches up."""

BYTES_LITERAL = re.compile(r"""b'[^']*'$|b"[^"]*"$""")
"""How eth-tester writes a custom error at the end of its message."""

Json = Any
"""Whatever ``json`` reads and writes."""


class DevChain:
    """One in-memory chain that answers JSON-RPC.  Safe to call from threads."""

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        self._now = now
        self._lock = threading.Lock()
        self._tester = EthereumTester(PyEVMBackend())
        provider = EthereumTesterProvider(self._tester)
        w3 = Web3(provider)
        self._request = provider.request_func(w3, w3.middleware_onion)

    @property
    def chain_id(self) -> int:
        """The number that signatures for this chain carry."""
        return int(self.answer({"method": "eth_chainId"})["result"], 16)

    def answer(self, request: Mapping[str, Json]) -> dict[str, Json]:
        """Return the JSON-RPC response; a failure is an ``error`` in it, not raised."""
        reply: dict[str, Json] = {"jsonrpc": "2.0", "id": request.get("id")}
        method, params = request.get("method"), request.get("params", [])
        if not isinstance(method, str) or not isinstance(params, list):
            return {**reply, "error": _error(-32600, "not a JSON-RPC request")}
        try:
            with self._lock:
                if method in READS_THE_CLOCK:
                    self._catch_up()
                if method == "eth_estimateGas":
                    params = params[:1]  # eth-tester always judges by the next block
                response = self._request(method, params)
        except TransactionFailed as failed:
            return {**reply, "error": _revert(failed)}
        except Exception as bad:  # noqa: BLE001 - py-evm raises from a dozen trees; a node answers all the same
            return {**reply, "error": _error(SERVER_ERROR, _explain(bad))}
        if "error" in response:
            return {**reply, "error": _encode(response["error"])}
        return {**reply, "result": _encode(response["result"])}

    def _catch_up(self) -> None:
        """Move the chain's clock up to ours; it can't go back, and needn't."""
        now = int(self._now())
        if now > self._tester.get_block_by_number("pending")["timestamp"]:
            self._tester.time_travel(now)


def _encode(value: Json, key: str = "") -> Json:
    """Return eth-tester's answer as JSON-RPC writes it: numbers and bytes as hex."""
    if isinstance(value, Mapping):
        return {name: _encode(item, name) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_encode(item) for item in value]
    if isinstance(value, bytes):
        return "0x" + value.hex()
    if key == "logsBloom" and isinstance(value, int):
        return f"0x{value:0512x}"
    if isinstance(value, int) and not isinstance(value, bool) and key != "code":
        return hex(value)
    return value


def _error(code: int, message: str) -> dict[str, Json]:
    return {"code": code, "message": message}


def _explain(failure: Exception) -> str:
    """Return the message in geth's words where the poster must understand it."""
    message = str(failure)
    if "nonce" in message.lower() and "too low" in message.lower():
        return f"nonce too low: {message}"
    return message or type(failure).__name__


def _revert(failed: TransactionFailed) -> dict[str, Json]:
    """Return a revert as geth answers it: custom errors as data, else the reason."""
    reason = failed.args[0] if failed.args else ""
    data = _revert_data(reason)
    if data is None:
        return _error(EXECUTION_REVERTED, f"execution reverted: {reason}")
    return {**_error(EXECUTION_REVERTED, "execution reverted"), "data": data}


def _revert_data(reason: object) -> str | None:
    """Return the revert's bytes as hex; eth-tester hands them on as ``repr(bytes)``."""
    if isinstance(reason, bytes):
        return "0x" + reason.hex()
    found = BYTES_LITERAL.search(str(reason))
    if found is None:
        return None
    raw: bytes = ast.literal_eval(found.group())
    return "0x" + raw.hex()


def bind(chain: DevChain, port: int) -> ThreadingHTTPServer:
    """Return a server bound to loopback, not yet serving; port 0 picks a free one."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            try:
                length = int(self.headers.get("Content-Length", "0"))
            except ValueError:
                length = MAX_REQUEST + 1
            if not 0 < length <= MAX_REQUEST:
                self.close_connection = True
                self.send_error(413)
                return
            try:
                request = json.loads(self.rfile.read(length))
            except (ValueError, RecursionError):
                self._reply({"jsonrpc": "2.0", "id": None, "error": NOT_JSON})
                return
            batch = request if isinstance(request, list) else [request]
            replies = [
                chain.answer(one if isinstance(one, dict) else {}) for one in batch
            ]
            self._reply(replies if isinstance(request, list) else replies[0])

        def _reply(self, reply: Json) -> None:
            body = json.dumps(reply).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: stdout and stderr belong to the one line above."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    return server


def die_with_parent() -> None:
    """Have Linux end this process when the thread that started it ends."""
    if sys.platform != "linux":
        return
    parent = os.getppid()
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG, prctl(2)
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGTERM)
    if os.getppid() != parent:  # it died before we asked
        os.kill(os.getpid(), signal.SIGTERM)


def main(argv: list[str] | None = None) -> int:
    """Serve until told to stop; return the exit status."""
    parser = argparse.ArgumentParser(description="A development chain on loopback.")
    parser.add_argument("--port", type=int, default=0, help="0 picks a free one")
    port: int = parser.parse_args(argv).port
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    die_with_parent()
    chain = DevChain()
    server = bind(chain, port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_address[1]}"
    print(json.dumps({"rpc": address, "chain_id": chain.chain_id}), flush=True)
    stop.wait()
    server.shutdown()
    server.server_close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
