"""What the tests of commands share."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fer.cli import main
from tests.support.train_command import Answer

Run = Callable[..., Answer]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``fer`` in this process; no command shows a traceback."""

    def run(*arguments: object) -> Answer:
        capsys.readouterr()
        answer = Answer(main([*map(str, arguments)]), *capsys.readouterr())
        assert "Traceback" not in answer.err
        return answer

    return run
