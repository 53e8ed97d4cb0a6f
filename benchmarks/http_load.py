"""Load on an HTTP server: kept-alive connections, each of which sends a request as soon as it has its response.

A program of its own, as lean as Python allows, because it shares the processors with the server that it measures:
usage: http_load.py PORT CONNECTIONS SECONDS < paths.json > figures.json
"""

from __future__ import annotations

import json
import re
import select
import socket
import sys
import time
from itertools import cycle

BUFFER = 1 << 18
LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)", re.IGNORECASE)


class Connection:
    """A connection, and the response that it receives."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.missing, self.head = 0, b""

    def send(self, request: bytes) -> None:
        self.head, self.started = b"", time.perf_counter()
        self.socket.send(request)

    def receive(self) -> bool:
        """Receive a part of the response, and return True if it is complete."""
        data = self.socket.recv(BUFFER)
        if not data:
            raise ConnectionError("the server closed the connection")
        if self.missing:
            self.missing -= len(data)
            return not self.missing
        self.head += data
        end = self.head.find(b"\r\n\r\n")
        if end < 0:
            return False
        length = LENGTH.search(self.head, 0, end)
        if not (self.head.startswith(b"HTTP/1.1 200") and length):
            raise ValueError(self.head[:end].decode("latin-1"))
        self.missing = end + 4 + int(length[1]) - len(self.head)
        return not self.missing


def load(port: int, connections: int, seconds: float, paths: list[str]) -> dict[str, float]:
    """Return the number of responses per second, and the median and the 99th percentile of their times in ms."""
    requests = cycle([f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode() for path in paths])
    poll, opened, times = select.epoll(), {}, []
    for _ in range(connections):
        connection = Connection(port)
        opened[connection.socket.fileno()] = connection
        poll.register(connection.socket, select.EPOLLIN)
        connection.send(next(requests))
    start = now = time.perf_counter()
    while now < start + seconds:
        for file, _ in poll.poll(30):
            connection = opened[file]
            if connection.receive():
                now = time.perf_counter()
                times.append(now - connection.started)
                connection.send(next(requests))
    times.sort()
    return {
        "rate": len(times) / (now - start),
        "p50": 1e3 * times[len(times) // 2],
        "p99": 1e3 * times[len(times) * 99 // 100],
    }


if __name__ == "__main__":
    _port, _connections = map(int, sys.argv[1:3])
    json.dump(load(_port, _connections, float(sys.argv[3]), json.load(sys.stdin)), sys.stdout)
