"""How soon /healthz answers: asks up to 20 times a second, and prints the seconds each time, until its input ends.

`python -m tests.attack.pulse PORT`. Who is not answered waits for five seconds.
"""

import select
import socket
import sys
import time

PATIENCE = 5.0
EVERY = 0.05
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def seconds(port: int, patience: float = PATIENCE) -> float:
    """Until the answer, from the first attempt on; `patience` where none came in that time, or another one than 200.

    Who is refused tries again: a reload opens the port anew.
    """
    start = time.monotonic()
    while (left := start + patience - time.monotonic()) > 0:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=left) as client:
                client.sendall(REQUEST)
                return time.monotonic() - start if client.recv(100).startswith(b"HTTP/1.1 200") else patience
        except ConnectionError:
            time.sleep(min(EVERY, left))
        except OSError:
            break
    return patience


def main(port: int) -> None:
    while True:
        took = seconds(port)
        sys.stdout.write(f"{took:.4f}\n")
        sys.stdout.flush()
        if select.select([sys.stdin], [], [], EVERY)[0]:
            return


if __name__ == "__main__":
    main(int(sys.argv[1]))
