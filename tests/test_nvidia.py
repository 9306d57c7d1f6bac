"""What nvidia-smi prints is read in one place, whatever it prints."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crescent_lite.sampling.nvidia import FIELDS, NvidiaGpu, NvidiaSmiError, list_gpus, parse_listing
from crescent_lite.training.packages import has_nvidia_gpu
from crescent_lite.workspace.machine import describe_machine

L4 = "NVIDIA L4, 23034, 550.54, 1024, 45"


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a program named nvidia-smi before all others."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize(
    ("listing", "gpus"),
    [
        (f"{L4}\n", (NvidiaGpu("NVIDIA L4", "550.54", 23034 * 2**20, 2**30, 0.45),)),
        ("A, B, 1, 5, [N/A], 0\n", (NvidiaGpu("A, B", "5", 2**20, None, 0.0),)),
        ("B, [N/A], 5, [N/A], [Insufficient Permissions]\n", (NvidiaGpu("B", "5", None, None, None),)),
        ("A, ², 5, -1, 1.5\n", (NvidiaGpu("A", "5", None, None, None),)),
        ("No devices were found\n", ()),
        ("", ()),
    ],
)
def test_each_line_is_a_gpu_or_nothing(listing: str, gpus: tuple[NvidiaGpu, ...]) -> None:
    assert parse_listing(listing) == gpus


def test_a_gpu_is_described_by_name_memory_and_driver() -> None:
    assert [gpu.description for gpu in parse_listing(f"{L4}\nB, [N/A], 5, [N/A], [N/A]\n")] == [
        "NVIDIA L4, 23034 MiB, driver 550.54",
        "B, [N/A], driver 5",
    ]


def test_a_listed_gpu_is_found_by_everything_that_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, f'echo "$1" > {tmp_path}/asked; echo "{L4}"')

    assert list_gpus() == parse_listing(L4)
    assert describe_machine().gpus == ("NVIDIA L4, 23034 MiB, driver 550.54",)
    assert has_nvidia_gpu()
    assert (tmp_path / "asked").read_text() == f"--query-gpu={','.join(FIELDS)}\n"


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo NVIDIA-SMI has failed; exit 9", "NVIDIA-SMI has failed"),
        ("exit 6", "nvidia-smi failed with exit code 6"),
    ],
)
def test_a_broken_driver_is_an_error_and_not_a_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, words: str
) -> None:
    install(tmp_path, monkeypatch, script)

    with pytest.raises(NvidiaSmiError, match=words):
        list_gpus()
    assert describe_machine().gpus == ()
    assert not has_nvidia_gpu()


def test_without_nvidia_smi_there_is_no_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert list_gpus() == ()
