"""Put on PYTHONPATH, this makes every Python process, children included, refuse and note any use of the network."""

import os
import sys
from pathlib import Path

FORBIDDEN = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "socket.bind")


IPV6_PROBE = ("::1", 0)
"""urllib3, which transformers imports, binds a loopback socket once to look for IPv6. It sends nothing."""


def guard(event: str, arguments: tuple[object, ...]) -> None:
    if event in FORBIDDEN and not (event == "socket.bind" and arguments[1] == IPV6_PROBE):
        with Path(os.environ["NETWORK_USES"]).open("a") as file:
            file.write(f"{event} {arguments[1:]}\n")
        raise OSError(f"{event} is forbidden in this test")


sys.addaudithook(guard)
