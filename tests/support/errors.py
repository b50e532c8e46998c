"""What a test expects of an error: its code and its place, not its words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fer.core.errors import UserError


@contextmanager
def raises(code: str, where: str = "", kind: type[UserError] = UserError) -> Iterator[None]:
    """Expect an error with this code, whose place ends with `where`."""
    with pytest.raises(kind) as raised:
        yield
    error = raised.value
    assert error.code == code, f"{error.code!r}, {error}"
    assert str(error.where).endswith(where), f"{error.where!r}, {error}"
