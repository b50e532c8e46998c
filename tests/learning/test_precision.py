"""Which precision suits a device: the rule, on machines that are made up."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fer.learning import precision
from fer.learning.precision import auto_precision, cpu_flags


def machine(
    patch: pytest.MonkeyPatch,
    *,
    cuda: tuple[int, int] | None = None,
    mps: bool = False,
    flags: str = "avx2",
) -> None:
    """Make this machine look like another."""
    patch.setattr(torch.cuda, "is_available", lambda: cuda is not None)
    patch.setattr(torch.cuda, "get_device_capability", lambda *_: cuda)
    patch.setattr(torch.backends.mps, "is_available", lambda: mps)
    patch.setattr(precision, "cpu_flags", lambda: frozenset(flags.split()))


@pytest.mark.parametrize("accelerator", ["gpu", "cuda", "auto"])
@pytest.mark.parametrize(
    ("capability", "expected"),
    [
        ((6, 1), "32-true"),
        ((7, 5), "32-true"),
        ((8, 0), "bf16-mixed"),
        ((8, 6), "bf16-mixed"),
        ((12, 0), "bf16-mixed"),
    ],
)
def test_a_gpu_is_judged_by_its_capability(
    monkeypatch: pytest.MonkeyPatch,
    accelerator: str,
    capability: tuple[int, int],
    expected: str,
) -> None:
    for flags in ("avx2", "avx2 amx_bf16"):
        machine(monkeypatch, cuda=capability, flags=flags)
        assert auto_precision(accelerator) == expected


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ("", "32-true"),
        ("avx2 avx512f", "32-true"),
        ("avx512f avx512_bf16", "bf16-mixed"),
        ("avx2 amx_bf16 amx_tile", "bf16-mixed"),
        ("amx_bf16x", "32-true"),
    ],
)
def test_a_processor_is_judged_by_its_flags(
    monkeypatch: pytest.MonkeyPatch, flags: str, expected: str
) -> None:
    machine(monkeypatch, flags=flags)
    assert auto_precision("cpu") == expected
    assert auto_precision("auto") == expected


def test_a_gpu_that_is_left_alone_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, cuda=(9, 0))
    assert auto_precision("cpu") == "32-true"
    machine(monkeypatch, cuda=(7, 0), flags="amx_bf16")
    assert auto_precision("cpu") == "bf16-mixed"


@pytest.mark.parametrize("accelerator", ["mps", "auto", "gpu"])
def test_an_apple_gpu_takes_floats(monkeypatch: pytest.MonkeyPatch, accelerator: str) -> None:
    machine(monkeypatch, mps=True, flags="amx_bf16")
    assert auto_precision(accelerator) == "32-true"
    assert auto_precision("cpu") == "bf16-mixed"


class Info:
    """Stands for the file in which Linux describes the processors."""

    text: str | None = None

    def __init__(self, path: str) -> None:
        assert path == "/proc/cpuinfo"

    def is_file(self) -> bool:
        return self.text is not None

    def read_text(self, **_: object) -> str:
        assert self.text is not None
        return self.text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (None, set()),
        ("", set()),
        ("processor\t: 0\nmodel name\t: A: B\n", set()),
        ("processor\t: 0\nvmx flags\t: no\nflags\t\t: fpu amx_bf16\nbugs\t: x\n", None),
    ],
)
def test_flags_are_read_where_the_system_tells_them(
    monkeypatch: pytest.MonkeyPatch, text: str | None, expected: set[str] | None
) -> None:
    monkeypatch.setattr(Info, "text", text)
    monkeypatch.setattr(precision, "Path", Info)
    assert cpu_flags() == ({"fpu", "amx_bf16"} if expected is None else expected)


@pytest.mark.skipif(not Path("/proc/cpuinfo").is_file(), reason="Linux tells the flags")
def test_the_flags_of_this_machine_are_words() -> None:
    assert all(flag and flag == flag.strip() for flag in cpu_flags())
