"""Takes secrets out of texts that are shown, logged or stored: keys and passwords of this process, and in addresses.

A message of a library or of a server may repeat what it was sent. Secrets are known by where they come from, not by
how they look: values of environment variables that are named like secrets, user and password of an address, and
parameters of an address that are named like secrets. Knows the environment; prints nothing. Examples:
    redacted("http://me:pw@gpu:8080/v1?api_key=x")    # "http://…@gpu:8080/v1?api_key=…"
    redacted(f"rejected {os.environ['HF_TOKEN']}")    # "rejected [HF_TOKEN]"
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from typing import Any

LEAST_CHARACTERS = 8
"""A shorter value is no secret, and would be found in ordinary words (guess)."""
NAMED_LIKE_SECRETS = re.compile(r"(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.I)
"""Names of environment variables whose values are secrets."""
_USER = re.compile(r"(?<=://)[^\s/@'\"<>]+@")
_PARAMETER = re.compile(
    r"([?&;](?:[\w.-]*[_.-])?(?:api[-_]?key|key|token|secret|password|passwd|auth|sig|signature)=)[^\s&#'\"<>]+", re.I
)
_BEARER = re.compile(r"(\b(?:bearer|basic) )[\w.~+/=-]{8,}", re.I)
PRIVATE_SETTINGS = ("on_finish",)
"""Settings, by their last name, that often contain the secret address of a chat room."""


def redacted(text: str) -> str:
    """The text without secrets. Each is replaced by the name of its variable, or by an ellipsis."""
    for name, value in os.environ.items():
        if len(value) >= LEAST_CHARACTERS and value in text and NAMED_LIKE_SECRETS.search(name):
            text = text.replace(value, f"[{name}]")
    if "=" in text:
        text = _PARAMETER.sub(r"\1…", text)
    return _BEARER.sub(r"\1…", _USER.sub("…@", text) if "@" in text else text)


def redacted_values(value: Any) -> Any:
    """Plain values, such as the fields of an event, with `redacted` applied to every text in them."""
    if isinstance(value, str):
        return redacted(value)
    if isinstance(value, Mapping):
        return {key: redacted_values(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [redacted_values(each) for each in value]
    return value


def shareable_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """A run's settings as they may leave this machine: without secrets, and without commands of the user's own.

    `overrides`, the options of the command line as they were typed, are left out: every setting stands in its table.
    """
    tables = {name: value for name, value in settings.items() if name != "overrides"}
    return {
        name: {key: each for key, each in redacted_values(value).items() if key not in PRIVATE_SETTINGS or not each}
        if isinstance(value, Mapping)
        else redacted_values(value)
        for name, value in tables.items()
    }
