"""Makes the HTTP client of the servers: the key, and certificates and proxies from the environment.

Knows HTTP, no dialect and no failure of a request. Example: open_client(addresses, key="", timeout_seconds=600.0)
Source: the environment variables as curl, requests and httpx read them.
"""

from __future__ import annotations

import contextlib
import ipaddress
import os
import ssl
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import certifi
import httpx

from crescent_lite.errors import ConfigError
from crescent_lite.redaction import redacted
from crescent_lite.sampling.servers.address import Address

CONNECT_SECONDS = 10.0
"""Time to connect to a server (guess)."""
CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
"""Environment variables that name a file or folder with the certificates of trusted authorities; the first one that
is set replaces the usual authorities."""


def open_client(addresses: Sequence[Address], key: str, timeout_seconds: float) -> httpx.AsyncClient:
    """An HTTP client for these servers. Raises ConfigError when a variable of the environment cannot be used.

    A proxy is never used for this machine: not even its address is read when no server needs it. No connection is
    used twice: what a faulty proxy sends after a response, such as the response once more, would else be taken for
    the answer to the next request. Responses are not compressed, so a short one cannot become a very long one.
    """
    headers = {"Accept-Encoding": "identity"} | ({"Authorization": f"Bearer {key}"} if key else {})
    direct = [address for address in addresses if is_direct(address)]
    try:
        return httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS, pool=timeout_seconds),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            trust_env=len(direct) < len(addresses),
            verify=_trusted() if any(address.scheme == "https" for address in addresses) else _nothing_trusted(),
            mounts={f"all://{_bracketed(address.host)}": None for address in direct},
        )
    except httpx.InvalidURL:  # its message may contain a part of the password
        raise ConfigError(
            "the proxy in the environment (HTTP_PROXY, HTTPS_PROXY or ALL_PROXY) is no valid address; correct or "
            "unset the variable, or list the servers in NO_PROXY"
        ) from None
    except (ValueError, ImportError) as error:
        raise ConfigError(
            f"the proxy in the environment (HTTP_PROXY, HTTPS_PROXY or ALL_PROXY) cannot be used: "
            f"{redacted(str(error))}; correct "
            "or unset the variable, or list the servers in NO_PROXY"
        ) from None


def is_direct(address: Address) -> bool:
    """Whether a server is reached without a proxy: it is on this machine, or NO_PROXY names its host or network."""
    if address.is_loopback or urllib.request.proxy_bypass(httpx.URL(address.root).netloc.decode()):
        return True
    for network in urllib.request.getproxies().get("no", "").split(","):
        with contextlib.suppress(ValueError):
            if ipaddress.ip_address(address.host) in ipaddress.ip_network(network.strip()):
                return True
    return False


def _trusted() -> ssl.SSLContext:
    """The authorities that the environment names, else those of certifi and of the system. Raises ConfigError."""
    variable = next((name for name in CERTIFICATE_VARIABLES if os.environ.get(name)), None)
    if variable is None:
        context = ssl.create_default_context(cafile=certifi.where())
        context.load_default_certs()
        return context
    path = Path(os.environ[variable]).expanduser()
    try:
        if path.is_dir():
            return ssl.create_default_context(capath=str(path))
        return ssl.create_default_context(cafile=str(path))
    except (OSError, ssl.SSLError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(f"{variable}={path}: no certificates can be read there: {reason}") from None


def _nothing_trusted() -> ssl.SSLContext:
    """For http alone: no certificate is needed, so a variable that names a missing file does not matter."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def key_in(variable: str) -> str:
    """The API key in an environment variable; '' if it is not set. Raises ConfigError, which never shows the key."""
    key = os.environ.get(variable, "").strip()
    if not key.isascii() or not key.isprintable():
        raise ConfigError(
            f"the environment variable {variable} does not contain a valid API key: it must be printable ASCII"
        )
    return key
