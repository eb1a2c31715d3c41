"""A connection with a delay: slow_link.py HOST PORT SECONDS, as a ProxyCommand of ssh (each way takes SECONDS)."""

from __future__ import annotations

import os
import queue
import socket
import sys
import threading
import time
from collections.abc import Callable


def _relay(read: Callable[[], bytes], write: Callable[[bytes], object], delay_s: float) -> None:
    """Hand on what is read, ``delay_s`` later, up to its end."""
    waiting: queue.Queue[tuple[float, bytes]] = queue.Queue()

    def deliver() -> None:
        while True:
            due, data = waiting.get()
            time.sleep(max(0.0, due - time.monotonic()))
            write(data)
            if not data:
                return

    thread = threading.Thread(target=deliver)
    thread.start()
    while True:
        data = read()
        waiting.put((time.monotonic() + delay_s, data))
        if not data:
            break
    thread.join()


def main() -> None:
    host, port, delay = sys.argv[1:]
    connection = socket.create_connection((host, int(port)))

    def send(data: bytes) -> None:
        if data:
            connection.sendall(data)
        else:
            connection.shutdown(socket.SHUT_WR)

    def say(data: bytes) -> None:
        os.write(1, data)
        if not data:
            os._exit(0)

    threading.Thread(target=_relay, args=(lambda: os.read(0, 65536), send, float(delay))).start()
    _relay(lambda: connection.recv(65536), say, float(delay))


if __name__ == "__main__":
    main()
