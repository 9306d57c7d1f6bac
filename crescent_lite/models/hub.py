"""Turns the errors of the Hugging Face hub's clients into CrescentErrors. The only place that classifies them.

Used for models, embedding models and data sets; imports no client. Example:
    with hub_errors("owner/name:model.gguf", missing=ModelError): path = hf_hub_download(...)
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from crescent_lite.errors import DISK_ERRORS, CrescentError, NetworkError, StorageError

REASON_CHARACTERS = 200
CONNECT_SECONDS = 5.0
"""Longest wait for a connection to the hub, in seconds (guess)."""
DEFAULT_PORTS = {"http": 80, "https": 443}
NETWORK_ERRORS = frozenset(
    {"ConnectionError", "TimeoutError", "Timeout", "gaierror", "TransportError", "ClientConnectionError"}
)
"""Names of the classes for a lost connection: Python's own, and those of requests, httpx and aiohttp."""


@contextmanager
def hub_errors(
    what: str, *, missing: type[CrescentError], offline: bool = False, access: str = "read"
) -> Iterator[None]:
    """Raise a client's error as a CrescentError whose message begins with `what`.

    Raises NetworkError when the hub cannot be reached, StorageError when the download cannot be written, and the
    class `missing` for anything else, such as an unknown repo or a file that may not be read. `offline`: search only
    the local cache; the clients that are loaded then fail at once where they would ask the network. So they do where
    the hub cannot be reached: they would repeat each question for half a minute. `access`: what the user's account
    must be allowed to do with the repo.
    """
    try:
        with nullcontext() if not offline and is_reachable(_endpoint()) else _offline_clients():
            yield
    except Exception as error:
        is_expected = isinstance(error, OSError | ValueError | LookupError | RuntimeError)
        if not is_expected and NETWORK_ERRORS.isdisjoint(_class_names(_with_causes(error))):
            raise  # a bug
        raise _classified(error, what, missing, offline, access) from None


def is_reachable(endpoint: str) -> bool:
    """Whether the hub's server, or the proxy on the way to it, accepts a connection."""
    there = urlsplit(endpoint)
    host, port = there.hostname or "", there.port or DEFAULT_PORTS.get(there.scheme, 443)
    proxy = "" if proxy_bypass(host) else getproxies().get(there.scheme, "")
    if proxy:
        between = urlsplit(proxy if "//" in proxy else f"//{proxy}")
        host, port = between.hostname or "", between.port or DEFAULT_PORTS.get(between.scheme, 443)
    try:
        socket.create_connection((host, port), timeout=CONNECT_SECONDS).close()
    except (OSError, UnicodeError):  # a host that is no name at all cannot even be encoded
        return False
    return True


def _endpoint() -> str:
    """Address of the hub, as the loaded client knows it."""
    client = sys.modules.get("huggingface_hub.constants")
    return str(getattr(client, "ENDPOINT", "https://huggingface.co"))


@contextmanager
def _offline_clients() -> Iterator[None]:
    """Switch the loaded clients offline. They read HF_HUB_OFFLINE once, when they are imported, into these values."""
    loaded = [sys.modules[name] for name in ("huggingface_hub.constants", "datasets.config") if name in sys.modules]
    before = [client.HF_HUB_OFFLINE for client in loaded]
    try:
        for client in loaded:
            client.HF_HUB_OFFLINE = True  # type: ignore[attr-defined]
        yield
    finally:
        for client, value in zip(loaded, before, strict=True):
            client.HF_HUB_OFFLINE = value  # type: ignore[attr-defined]


def _classified(
    error: Exception, what: str, missing: type[CrescentError], offline: bool, access: str
) -> CrescentError:
    # transformers wraps the hub's errors in an OSError, so the causes are examined too.
    causes = tuple(_with_causes(error))
    names = _class_names(causes)
    if "HFValidationError" in names:
        return missing(f"{what}: is neither a file or folder here nor a valid name of a hub repo")
    if offline and ("LocalEntryNotFoundError" in names or not NETWORK_ERRORS.isdisjoint(names)):
        return missing(f"{what}: not in the local cache, and model.offline is on")
    if "LocalEntryNotFoundError" in names:
        return NetworkError(f"{what}: not in the local cache, and the hub cannot be reached; check the network")
    if "HfHubHTTPError" in names:
        response = next((cause.response for cause in causes if getattr(cause, "response", None) is not None), None)
        if response is None:
            return NetworkError(f"{what}: the hub did not answer; check the network and the repo's name")
        status = response.status_code
        check = f"check the repo's name, and that your account may {access} it"
        return missing(f"{what}: the hub answers {status}; {check}")
    if not NETWORK_ERRORS.isdisjoint(names):
        return NetworkError(f"{what}: not in the local cache, and the hub cannot be reached: {_reason(error)}")
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        return StorageError(f"{what}: cannot be downloaded: {error.strerror}")
    if any("scripts are no longer supported" in str(cause) for cause in causes):
        return missing(
            f"{what}: is a program, which `datasets` no longer runs; save its rows as JSONL and give the file's path"
        )
    return missing(f"{what}: cannot be loaded: {_reason(error)}")


def _class_names(errors: Iterable[Exception]) -> set[str]:
    """Names of the errors' classes. The clients are optional packages, so their classes are not imported."""
    return {kind.__name__ for error in errors for kind in type(error).__mro__}


def _with_causes(error: BaseException | None) -> Iterator[Any]:
    while error is not None:
        yield error
        error = error.__cause__


def _reason(error: Exception) -> str:
    """The first line of an error's text, made printable and not too long."""
    line = str(error).strip().partition("\n")[0] or type(error).__name__
    line = "".join(character if character.isprintable() else " " for character in line)
    return line if len(line) <= REASON_CHARACTERS else f"{line[: REASON_CHARACTERS - 3]}..."
