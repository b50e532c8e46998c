"""What the documents state is what the ledger holds, and nothing is stated beside it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_CLAIMS = json.loads((_ROOT / "results" / "claims.json").read_text(encoding="utf-8"))["claims"]
_DOCUMENTS = [
    path
    for path in [_ROOT / "README.md", _ROOT / "MODEL_CARD.md", *(_ROOT / "docs").glob("*.md")]
    if path.is_file()
]
_MARKED = re.compile(r"<!-- claim:(\S+) -->(.*?)<!-- /claim -->", re.DOTALL)
_CITED = re.compile(r"<!-- cited:.+? -->.*?<!-- /cited -->", re.DOTALL)
_NUMBER = re.compile(r"\d\s?(?:%|ms\b|/s\b)")


def test_each_claim_says_how_to_make_it_again() -> None:
    wanted = {
        "id", "what", "value", "text", "interval", "command", "commit", "configuration", "data",
        "seeds", "private_test_looks",
    }  # fmt: skip
    for claim in _CLAIMS:
        assert set(claim) == wanted, claim["id"]
        assert re.fullmatch(r"[0-9a-f]{40}", claim["commit"])
        number = float(re.match(r"[\d.]+", claim["text"])[0])  # type: ignore[index]
        assert number == pytest.approx(100 * claim["value"], abs=0.051), claim["id"]
    ids = [claim["id"] for claim in _CLAIMS]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("path", _DOCUMENTS, ids=lambda path: path.name)
def test_documents_state_what_the_ledger_holds(path: Path) -> None:
    ledger = {claim["id"]: claim["text"] for claim in _CLAIMS}
    text = path.read_text(encoding="utf-8")
    for name, stated in _MARKED.findall(text):
        assert ledger.get(name) == stated, name
    rest = _CITED.sub("", _MARKED.sub("", text))
    assert _NUMBER.findall(rest) == [], "a measured number outside the ledger"
