"""The address of a server, as users write or copy it: with or without a scheme, /v1, a final slash or an endpoint.

Knows the spelling of addresses; asks no server. Example:
    read_address("localhost:8000/v1/chat/completions?x=1") -> Address("http://localhost:8000", ends_with_v1=True)
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

import httpx

from crescent_lite.errors import ConfigError
from crescent_lite.redaction import redacted

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_ENDPOINTS = (
    "/chat/completions", "/completions", "/completion", "/responses", "/messages", "/embeddings", "/models",
    "/api/generate", "/api/chat", "/api/tags", "/api/version", "/props", "/health",
)  # fmt: skip
"""Endpoints that are copied together with an address; they are taken off."""


@dataclass(frozen=True)
class Address:
    """Where a server is."""

    root: str
    """Scheme, host, port and prefix, without /v1 and without a final slash."""
    ends_with_v1: bool
    """Whether the user wrote /v1, which asks for OpenAI-style completions where a server offers several kinds."""

    @property
    def host(self) -> str:
        """The host's name or number, without the brackets of IPv6."""
        return httpx.URL(self.root).host

    @property
    def scheme(self) -> str:
        """'http' or 'https'."""
        return httpx.URL(self.root).scheme

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine."""
        try:
            number = ipaddress.ip_address(self.host)
            return number.is_loopback or number.is_unspecified
        except ValueError:
            return self.host == "localhost" or self.host.endswith(".localhost")


def read_address(text: str) -> Address:
    """The address of a server. Raises ConfigError unless it is an http(s) address without user, password and key."""
    written = text.strip()
    # Addresses are stored with the run and shown, so they must not contain a secret; nor does this message.
    if "@" in written or redacted(written) != written:
        raise ConfigError(
            "sampling.servers: an address must not contain a user or password, nor a key; "
            "see sampling.server_key_variable"
        )
    try:
        url = httpx.URL(written if _SCHEME.match(written) else f"http://{written}")
    except httpx.InvalidURL as error:
        raise ConfigError(f"sampling.servers: {text!r} is not a valid address: {error}") from None
    half_a_scheme = not _SCHEME.match(written) and re.match("https?:", written)
    impossible_port = url.port is not None and not 0 < url.port <= 65535
    if url.scheme not in ("http", "https") or not url.host or half_a_scheme or impossible_port:
        raise ConfigError(f"sampling.servers: {text!r} is not a valid address; write it like http://host:8080")
    path = re.sub("/+", "/", url.path).rstrip("/")
    for endpoint in _ENDPOINTS:
        if path.endswith(endpoint):
            path = path.removesuffix(endpoint)
            break
    ends_with_v1 = path.endswith("/v1")
    root = url.copy_with(path=path.removesuffix("/v1") or "/", query=None, fragment=None)
    return Address(str(root).rstrip("/"), ends_with_v1)
