"""The GPUs that CUDA may use are listed once, and everything that asks is told the same."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from fake_nvml import GIB, Card, NVMLError, NVMLError_LibraryNotFound, fake_nvml

from crescent_lite.cli.doctor.hardware import find_gpu
from crescent_lite.sampling.nvidia import NvidiaError, list_gpus
from crescent_lite.training.packages import has_nvidia_gpu
from crescent_lite.workspace.machine import describe_machine
from crescent_tui.sources.machine_load import gpu_load

A100 = Card("A100", "GPU-aa11", 40 * GIB, 2 * GIB, 10)
L4 = Card("L4", "GPU-bb22", 24 * GIB, 3 * GIB, 50)
DIVIDED = Card(
    "H100", "GPU-bb33", 80 * GIB,
    instances=[Card("H100 MIG 1g", "MIG-c1", 10 * GIB, GIB, None), Card("H100 MIG 2g", "MIG-c2", 20 * GIB, 0, None)],
)  # fmt: skip


@pytest.mark.parametrize(
    ("setting", "names"),
    [
        (None, ["A100", "L4", "H100 MIG 1g"]),
        ("", []),
        ("-1", []),
        ("1", ["L4"]),
        (" 1 , 0 ", ["L4", "A100"]),
        ("GPU-aa", ["A100"]),
        ("GPU-bb22,GPU-aa11", ["L4", "A100"]),
        ("GPU-bb", []),  # the beginning of two
        ("MIG-c2", ["H100 MIG 2g"]),
        ("GPU-bb33", ["H100 MIG 1g"]),
        ("1,7,0", ["L4"]),
        ("0,GPU-aa11,1", ["A100"]),
        ("none", []),
        ("²", []),
    ],
)
def test_the_cards_that_cuda_may_use_are_told_to_everything_that_asks(
    monkeypatch: pytest.MonkeyPatch, setting: str | None, names: list[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(A100, L4, DIVIDED))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if setting is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", setting)

    gpus = list_gpus()

    assert [gpu.name for gpu in gpus] == names
    assert has_nvidia_gpu() == bool(names)
    assert [text.partition(",")[0] for text in describe_machine().gpus] == names
    found, _ = find_gpu()
    assert (found.state == "ok") == bool(names)
    assert all(name in found.value for name in names)
    load = gpu_load(gpus)
    assert (load.total if load else 0) == sum(gpu.memory_bytes or 0 for gpu in gpus)


def test_the_values_of_a_card_are_read_and_those_that_it_does_not_report_are_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silent = Card("GB10", "GPU-1", None, None, None)
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(L4, silent))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    first, second = list_gpus()

    assert (first.memory_bytes, first.used_bytes, first.busy) == (24 * GIB, 3 * GIB, 0.5)
    assert (second.memory_bytes, second.used_bytes, second.busy) == (None, None, None)
    assert [first.description, second.description] == ["L4, 24576 MiB, driver 550.54", "GB10, [N/A], driver 550.54"]


def test_hidden_cards_are_said_with_the_way_to_use_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(A100, L4))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert find_gpu()[0].value == "L4, 24576 MiB, driver 550.54 (CUDA_VISIBLE_DEVICES=1 leaves 1 of 2)"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert find_gpu()[0].value == "CUDA_VISIBLE_DEVICES= leaves 0 of 2"
    assert "unset CUDA_VISIBLE_DEVICES" in find_gpu()[0].advice
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert find_gpu()[0].value.endswith("; the first trains")


def test_a_broken_driver_is_an_error_and_not_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(L4, fails=NVMLError("Driver Not Loaded")))

    with pytest.raises(NvidiaError, match="Driver Not Loaded"):
        list_gpus()
    assert describe_machine().gpus == ()
    assert not has_nvidia_gpu()
    assert find_gpu()[0].state == "warning"
    assert "driver" in find_gpu()[0].advice


def test_without_a_driver_there_is_no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", fake_nvml(fails=NVMLError_LibraryNotFound("Not Found")))

    assert list_gpus() == ()
    assert find_gpu()[0].state == "optional"


def test_every_name_that_is_asked_of_nvml_is_in_the_library(tmp_path: Path) -> None:
    library = pytest.importorskip("pynvml")
    missing = [name for name in vars(fake_nvml()) if not name.startswith("__") and not hasattr(library, name)]
    assert missing == []
