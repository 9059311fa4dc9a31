"""Clients of Tagger's web, in a process of their own. `python -m benchmarks.clients post|hostile PORT …`

They say `begun` once they are ready, and after so many seconds what came of it, as JSON. What they take of the cores,
the server lacks: so requests are made beforehand and sent over plain sockets. Rejected: httpx, which takes as long
for a request as the server.
"""

import json
import os
import resource
import select
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from threading import Thread

HEAD = "POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n"
LORIS, HALVES, IDLE = 200, 100, 1000


@dataclass
class Poster:
    """Posts pictures over one connection, one after the other; whoever is told to come again does so when told."""

    port: int
    requests: Sequence[bytes]
    answers: list[tuple[float, float]] = field(default_factory=list)
    """When each came, and how long it took, being sent away included."""
    busy: int = 0

    def run(self) -> None:
        connection = socket.create_connection(("127.0.0.1", self.port))
        for request in cycle(self.requests):
            start = time.perf_counter()
            while (wait := _asked(connection, request)) is not None:
                self.busy += 1
                time.sleep(wait)
            end = time.perf_counter()
            self.answers.append((end, end - start))


def post(port: int, folder: Path, clients: int, seconds: float) -> None:
    pictures = [path.read_bytes() for path in sorted(folder.iterdir())]
    requests = [HEAD.format(len(data)).encode() + data for data in pictures]
    posters = [Poster(port, requests[number::clients] or requests) for number in range(clients)]
    for poster in posters:
        Thread(target=poster.run, daemon=True).start()
    while not all(poster.answers for poster in posters):
        time.sleep(0.01)
    print("begun", flush=True)
    start, used = time.perf_counter(), time.process_time()
    time.sleep(seconds)
    end, used = time.perf_counter(), time.process_time() - used
    latencies = [took for poster in posters for at, took in poster.answers if start < at <= end]
    _say({"latencies": latencies, "busy": sum(one.busy for one in posters), "cpu": used, "wall": end - start})


def _asked(connection: socket.socket, request: bytes) -> float | None:
    """Seconds after which to ask again; None where it was answered."""
    connection.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += _received(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    while len(body) < int(fields[b"content-length"]):
        body += _received(connection)
    status = int(head.split()[1])
    if status == 429:
        return float(fields[b"retry-after"])
    if status != 200:
        raise RuntimeError(f"{status}: {body!r}")
    return None


def _received(connection: socket.socket) -> bytes:
    if not (data := connection.recv(65536)):
        raise RuntimeError("the server closed the connection")
    return data


def hostile(port: int, seconds: float) -> None:
    """Whoever is thrown out comes again within a second."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    crowd = Crowd(port)
    for kind, number in (("idle", IDLE), ("loris", LORIS), ("half", HALVES)):
        for _ in range(number):
            crowd.join(kind)
    print("begun", flush=True)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        crowd.turn()
        time.sleep(1)
    _say({"thrown_out": crowd.thrown_out, "refused": crowd.refused, "cpu": time.process_time()})


class Crowd:
    """Clients that ask for nothing, ask a byte a second, or send half a picture and then nothing."""

    def __init__(self, port: int) -> None:
        self._port, self._kinds = port, dict[int, str]()
        self._connections = dict[int, socket.socket]()
        self._poll = select.poll()
        self.thrown_out = self.refused = 0

    def join(self, kind: str) -> None:
        try:
            connection = socket.create_connection(("127.0.0.1", self._port), timeout=0.5)
        except OSError:
            self.refused += 1
            return
        connection.setblocking(False)
        self._kinds[connection.fileno()], self._connections[connection.fileno()] = kind, connection
        self._poll.register(connection, select.POLLIN)
        start = {
            "idle": b"",
            "loris": b"GET / HTTP/1.1\r\nX: ",
            "half": HEAD.format(800_000).encode() + bytes(100_000),
        }
        with suppress(OSError):
            connection.send(start[kind])

    def turn(self) -> None:
        for number, kind in self._kinds.items():
            if kind == "loris":
                with suppress(OSError):
                    self._connections[number].send(b"x")
        gone = [self._leave(number) for number, _ in self._poll.poll(0)]
        self.thrown_out += len(gone)
        for kind in gone:
            self.join(kind)

    def _leave(self, number: int) -> str:
        self._poll.unregister(number)
        self._connections.pop(number).close()
        return self._kinds.pop(number)


def _say(what: object) -> None:
    print(json.dumps(what), flush=True)
    os._exit(0)  # posters wait for answers


def main() -> None:
    match sys.argv[1:]:
        case ["post", port, folder, clients, seconds]:
            post(int(port), Path(folder), int(clients), float(seconds))
        case ["hostile", port, seconds]:
            hostile(int(port), float(seconds))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
