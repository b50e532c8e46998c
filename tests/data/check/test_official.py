"""The figures of FER2013 that are known, on the one file that they are known of."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from fer.data.check.check import check
from fer.data.check.report import Leak, Report
from fer.data.check.votes import SplitVotes, find_crowd
from fer.data.source import Faces
from fer.data.sources.manifest import read_manifest, rows_by_pixels, write_manifest

MANIFEST = Path(__file__).parents[3] / "results" / "manifest.csv.gz"


@pytest.fixture(scope="module")
def votes(official: Faces) -> SplitVotes:
    votes = find_crowd(official, None, None)
    if votes is None:
        pytest.skip("no fer2013new.csv beside FER2013")
    return votes


@pytest.fixture(scope="module")
def report(official: Faces, votes: SplitVotes) -> Report:
    return check(official, "fer2013", crowd=votes)


def test_known_figures(report: Report) -> None:
    found = report.tallies
    assert [sum(counts.values()) for counts in report.counts.values()] == [28709, 3589, 3589]
    assert (found["constant"].total, found["few_values"].total) == (12, 13)
    assert (found["copies"].groups, found["copies"].total) == (1518, 3373)
    assert found["redundant"].total == 1855
    assert (found["spanning"].groups, found["conflicting"].groups) == (557, 60)
    assert found["unnamed"].total == 173
    # Not a known figure of the data, but one that a change of the rule should not move unseen.
    assert found["placeholders"].total == 39


def test_known_leaks(report: Report) -> None:
    in_train, in_both, _ = report.leaks
    assert in_train == Leak("test", ("train",), 3589, 288, 347)
    assert round(100 * in_train.alike / in_train.faces, 1) == 9.7
    assert (in_both.inside, in_both.exact) == (("train", "val"), 314)


def test_known_agreement(report: Report) -> None:
    assert report.agreement is not None
    test = report.agreement["test"]
    shares = {name: round(100 * test.agreed[name] / test.faces[name]) for name in test.faces}
    assert shares == {
        "happy": 93, "neutral": 87, "surprise": 76, "angry": 49, "sad": 39, "disgust": 31,
        "fear": 13,
    }  # fmt: skip
    assert round(100 * sum(test.agreed.values()) / sum(test.faces.values())) == 62
    assert round(100 * test.clear_agreed / test.clear) == 66
    assert test.clear - test.clear_agreed == 1153


def test_the_manifest_is_that_of_the_data(
    official: Faces, votes: SplitVotes, tmp_path: Path
) -> None:
    write_manifest(official, tmp_path / "manifest.csv.gz", votes.named)
    # Unpacked: the packed bytes are those of the zlib in use.
    made = gzip.decompress((tmp_path / "manifest.csv.gz").read_bytes())
    assert made == gzip.decompress(MANIFEST.read_bytes())
    rows = rows_by_pixels(official, read_manifest(MANIFEST)[0])
    for name, split in official.splits.items():
        assert sorted(rows[name].tolist()) == split.rows.tolist()
