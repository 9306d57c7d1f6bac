"""A stand-in for `pynvml`, NVIDIA's management library, with the cards that a test names."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any

GIB = 2**30


class NVMLError(Exception):
    """As in pynvml."""


class NVMLError_LibraryNotFound(NVMLError):  # noqa: N801, N818  its name in pynvml
    """As in pynvml."""


@dataclass
class Card:
    """A card, or an instance of one. Values of None are not reported."""

    name: str
    uuid: str
    total: int | None = 24 * GIB
    used: int | None = GIB
    percent: int | None = 45
    instances: list[Card] = field(default_factory=list)


def fake_nvml(*cards: Card, fails: NVMLError | None = None) -> ModuleType:
    """The part of pynvml that is used; `fails` is raised when the library is opened."""

    def start() -> None:
        if fails:
            raise fails

    def reported(value: Any) -> Any:
        if value is None:
            raise NVMLError("Not Supported")
        return value

    def instance(card: Card, number: int) -> Card:
        if number >= len(card.instances):
            raise NVMLError("Not Found")
        return card.instances[number]

    module = ModuleType("pynvml")
    module.__dict__.update(
        NVMLError=NVMLError,
        NVMLError_LibraryNotFound=NVMLError_LibraryNotFound,
        nvmlInit=start,
        nvmlShutdown=lambda: None,
        nvmlSystemGetDriverVersion=lambda: "550.54",
        nvmlDeviceGetCount=lambda: len(cards),
        nvmlDeviceGetHandleByIndex=lambda number: cards[number],
        nvmlDeviceGetName=lambda card: card.name,
        nvmlDeviceGetUUID=lambda card: card.uuid,
        nvmlDeviceGetMemoryInfo=lambda card: SimpleNamespace(total=reported(card.total), used=card.used),
        nvmlDeviceGetUtilizationRates=lambda card: SimpleNamespace(gpu=reported(card.percent)),
        nvmlDeviceGetMigMode=lambda card: [int(bool(card.instances)), 0],
        nvmlDeviceGetMaxMigDeviceCount=lambda card: 7,
        nvmlDeviceGetMigDeviceHandleByIndex=instance,
    )
    return module
