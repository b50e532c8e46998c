"""Which precision suits a device: the rule, on machines that are made up."""

from __future__ import annotations

import pytest
import torch

from fer.learning import precision
from fer.learning.precision import auto_precision, cpu_flags


@pytest.mark.parametrize(
    ("accelerators", "cuda", "mps", "flags", "expected"),
    [
        (("gpu", "cuda", "auto"), (7, 5), False, "amx_bf16", "32-true"),
        (("gpu", "cuda", "auto"), (8, 0), False, "avx2", "bf16-mixed"),
        (("gpu", "cuda", "auto"), (12, 0), False, "avx2", "bf16-mixed"),
        (("cpu", "auto"), None, False, "", "32-true"),
        (("cpu", "auto"), None, False, "avx2 avx512f amx_bf16x", "32-true"),
        (("cpu", "auto"), None, False, "avx512f avx512_bf16", "bf16-mixed"),
        (("cpu", "auto"), None, False, "avx2 amx_bf16 amx_tile", "bf16-mixed"),
        # A GPU that is not used changes nothing.
        (("cpu",), (9, 0), False, "avx2", "32-true"),
        (("cpu",), (7, 0), False, "amx_bf16", "bf16-mixed"),
        # An Apple GPU takes floats.
        (("mps", "auto", "gpu"), None, True, "amx_bf16", "32-true"),
        (("cpu",), None, True, "amx_bf16", "bf16-mixed"),
    ],
)
def test_the_rule(
    monkeypatch: pytest.MonkeyPatch,
    *,
    accelerators: tuple[str, ...],
    cuda: tuple[int, int] | None,
    mps: bool,
    flags: str,
    expected: str,
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda is not None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: cuda)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)
    monkeypatch.setattr(precision, "cpu_flags", lambda: frozenset(flags.split()))
    assert {auto_precision(accelerator) for accelerator in accelerators} == {expected}


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
        ("processor\t: 0\nmodel name\t: A: B\n", set()),
        ("processor\t: 0\nvmx flags\t: no\nflags\t\t: fpu amx_bf16\n", {"fpu", "amx_bf16"}),
    ],
)
def test_flags_are_read_where_the_system_lists_them(
    monkeypatch: pytest.MonkeyPatch, text: str | None, expected: set[str]
) -> None:
    monkeypatch.setattr(Info, "text", text)
    monkeypatch.setattr(precision, "Path", Info)
    assert cpu_flags() == expected
