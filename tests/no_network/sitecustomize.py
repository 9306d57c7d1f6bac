"""Put on PYTHONPATH, this makes every Python process, children included, refuse and note any use of the network."""

import os
import sys
from pathlib import Path

FORBIDDEN = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.bind")


def guard(event: str, arguments: tuple[object, ...]) -> None:
    if event in FORBIDDEN:
        with Path(os.environ["NETWORK_USES"]).open("a") as file:
            file.write(f"{event} {arguments[1:]}\n")
        raise OSError(f"{event} is forbidden in this test")


sys.addaudithook(guard)
