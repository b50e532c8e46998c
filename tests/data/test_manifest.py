"""The manifest that the project ships: whole, and without pixels or labels."""

from __future__ import annotations

import csv
import gzip
from collections import Counter
from pathlib import Path

from fer.data.sources.manifest import COLUMNS, read_manifest

MANIFEST = Path(__file__).parents[2] / "results" / "manifest.csv.gz"


def test_the_shipped_manifest() -> None:
    lines = gzip.decompress(MANIFEST.read_bytes()).decode().splitlines()
    rows = list(csv.DictReader(lines))
    assert tuple(rows[0]) == COLUMNS
    assert [int(row["row"]) for row in rows] == list(range(35887))
    splits = Counter(row["split"] for row in rows)
    assert splits == {"Training": 28709, "PublicTest": 3589, "PrivateTest": 3589}
    assert sum(row["hash_certain"] == "0" for row in rows) == 173
    assert sum(row["blank"] == "1" for row in rows) == 12
    assert MANIFEST.stat().st_size < 1 << 20


def test_it_tells_the_test_faces_without_copies_elsewhere() -> None:
    rows = list(csv.DictReader(gzip.decompress(MANIFEST.read_bytes()).decode().splitlines()))
    elsewhere = {row["group"] for row in rows if row["split"] != "PrivateTest"} - {""}
    test = [row for row in rows if row["split"] == "PrivateTest"]
    assert sum(row["group"] in elsewhere for row in test) == 314


def test_manifests_with_whole_hashes_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(f"row,Usage,sha256\n7,Training,{'ab' * 32}\n")
    manifest, _ = read_manifest(tmp_path / "rows.csv")
    assert manifest == {("train", b"\xab" * 16): [7]}
