"""What a search is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

#: What a parameter can be, as Optuna's own storage keeps it.
Value = str | float | int | bool | None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing that is searched.

    Attributes:
        name: as the search calls it.
        key: of the training's configuration, or a group.
        low: the least number.
        high: the largest one.
        step: from number to number; None where all between are tried.
        log: numbers are drawn on a logarithmic scale.
        choices: what is tried instead of numbers.
    """

    name: str
    key: str
    low: float | int | None = None
    high: float | int | None = None
    step: float | int | None = None
    log: bool = False
    choices: tuple[Value, ...] = ()

    def is_whole(self) -> bool:
        """Say whether its numbers are whole ones."""
        given = [number for number in (self.low, self.high, self.step) if number is not None]
        return all(isinstance(number, int) for number in given)

    def ends(self) -> tuple[Value, ...]:
        """Return the values that must all be possible: the choices, or the ends of the range."""
        return self.choices or (self.low, self.high)

    def override(self, value: Value) -> str:
        """Return a value as it is written on a command line.

        Example:
            >>> Parameter("rate", "optimizer.lr", 1e-5, 0.1).override(1e-5)
            'optimizer.lr=1e-05'
            >>> Parameter("mixup", "a.b", choices=(None, True)).override(None)
            'a.b=null'
        """
        if value is None:
            return f"{self.key}=null"
        return f"{self.key}={str(value).lower() if isinstance(value, bool) else value}"


@dataclass(frozen=True, slots=True)
class Plan:
    """A search.

    Attributes:
        folder: where it lies.
        space: what is searched.
        overrides: what every trial's training gets besides.
        monitor: the metric of validation that says which trial is best.
        mode: whether more or less of it is better.
        epochs: of a whole trial.
        options: the configuration's node ``search``, without the space.
        config_dirs: folders with configuration files of the user's own.
    """

    folder: Path
    space: tuple[Parameter, ...]
    overrides: tuple[str, ...]
    monitor: str
    mode: Literal["min", "max"]
    epochs: int
    options: Mapping[str, Any]
    config_dirs: tuple[str, ...] = ()

    def trial_folder(self, number: int) -> Path:
        """Return the folder of a trial's run."""
        return self.folder / "trials" / f"{number:04d}"

    def log(self, number: int) -> Path:
        """Return the file that holds what a trial's command says."""
        return self.trial_folder(number).with_suffix(".log")

    def lock(self, number: int) -> Path:
        """Return the file that a process holds while it works in a trial's folder."""
        return self.trial_folder(number).with_suffix(".lock")

    def command(self) -> list[str]:
        """Return what a training's command begins with, before its overrides."""
        folders = [text for folder in self.config_dirs for text in ("--config-dir", folder)]
        return ["-m", "fer.train", *folders]

    def arguments(self, values: Mapping[str, Value]) -> list[str]:
        """Return the overrides of a training with some values of the space."""
        return [*self.overrides, *(one.override(values[one.name]) for one in self.space)]
