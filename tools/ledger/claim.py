"""One record of the ledger."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from fer.core.errors import UserError
from fer.experiments.table.formatting import SPREAD, UNITS, format_value

#: The fields of a record in the file, in their order.
FIELDS: Final[tuple[str, ...]] = (
    "id", "what", "value", "unit", "text", "interval", "interval_method", "command", "commit",
    "configuration", "data", "seeds", "private_test_looks", "mark",
)  # fmt: skip

#: More digits than any document shows: what is rounded twice may end on the wrong side.
DIGITS: Final = 6

_ID: Final = re.compile(r"[a-z0-9][a-z0-9_.-]*")


class LedgerError(UserError):
    """The ledger, or a record of it, is not valid; the message says what and where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A measured number, or word, and what it takes to measure it again.

    Attributes:
        id: what documents name it by.
        what: what it is, in words.
        value: a number in its unit (a share for ``%`` and ``points``), or a word.
        unit: one of :data:`fer.experiments.table.formatting.UNITS`.
        interval: its two ends, if it has one.
        interval_method: how the interval was found.
        command: what measures it.
        commit: of the code, 40 hexadecimal digits.
        configuration: hash of the configuration, see :func:`tools.ledger.runs.configuration_hash`.
        data: fingerprint of the data.
        seeds: of the runs behind it.
        private_test_looks: how often PrivateTest was looked at for it.
        mark: why the number is no score (a leaky protocol), or None.

    Raises:
        LedgerError: a field is not valid.
    """

    id: str
    what: str
    value: float | str
    unit: str
    interval: tuple[float, float] | None = None
    interval_method: str | None = None
    command: str
    commit: str
    configuration: str
    data: str
    seeds: tuple[int, ...]
    private_test_looks: int = 0
    mark: str | None = None

    def __post_init__(self) -> None:
        if problems := [f"claim {self.id}: {problem}" for problem in self._problems()]:
            raise LedgerError("\n  ".join(problems))

    @property
    def text(self) -> str:
        """The value as documents state it."""
        return format_value(
            self.value, self.unit, self.interval, spread=self.interval_method == SPREAD
        )

    def record(self) -> dict[str, Any]:
        """Return it as the file holds it."""
        known = asdict(self)
        return {field: self.text if field == "text" else known[field] for field in FIELDS}

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Claim:
        """Return the claim that the file holds.

        Raises:
            LedgerError: a field is missing, unknown or not valid.
        """
        name = record.get("id")
        if odd := sorted(set(record) ^ set(FIELDS)):
            raise LedgerError(
                f"claim {name}: it must have the fields {', '.join(FIELDS)}: see to "
                f"{', '.join(odd)}"
            )
        values: dict[str, Any] = {
            field: tuple(value) if isinstance(value, list) else value
            for field, value in record.items()
            if field != "text"
        }
        claim = cls(**values)
        if record["text"] != claim.text:
            raise LedgerError(
                f"claim {name}: its text is {record['text']!r}, but its value says {claim.text!r}"
            )
        return claim

    def _problems(self) -> Iterator[str]:
        if not isinstance(self.id, str) or _ID.fullmatch(self.id) is None:
            yield "an id is made of a-z, 0-9, and . _ - behind the first"
        if self.unit not in UNITS:
            yield f"the unit must be one of {', '.join(UNITS)}, not {self.unit!r}"
        elif isinstance(self.value, str) != (self.unit == "word"):
            yield f"{self.value!r} is not a value in {self.unit}"
        if re.fullmatch(r"[0-9a-f]{40}", str(self.commit)) is None:
            yield f"{self.commit!r} is not a commit"
        looks = self.private_test_looks
        if not isinstance(looks, int) or looks < 0:
            yield f"private_test_looks must be a whole number of at least 0, not {looks!r}"
        if (self.interval is None) != (self.interval_method is None):
            yield "an interval and the method it was found by go together"
