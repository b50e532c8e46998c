"""Split names, copies and the crowd's votes of a data set."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from fer.core.labels import EMOTIONS, FERPLUS
from fer.data.cleaning.clean import Cleaned, Cleaning
from fer.data.fer2013_reference import (
    FACES,
    WithOfficialRows,
    check_rows_tell,
    has_earlier_copy,
    read_annotator_votes,
    split_names,
)
from fer.data.scaling import scaled
from fer.data.source import DataError, Faces, Source, Split
from fer.data.sources.fer2013 import Fer2013
from fer.data.sources.fer2013_votes import Fer2013WithVotes
from fer.data.sources.ferplus import FerPlus
from fer.data.sources.manifest import write_manifest
from fer.data.synthetic import SyntheticFaces
from tests.support.fer2013_csv import make_faces, write_fer2013
from tests.support.picture_folders import write_fer2013_folders
from tests.support.votes import write_votes

OFFICIAL = {"train": "Training", "val": "PublicTest", "test": "PrivateTest"}
COLUMNS = list(FERPLUS)


@pytest.fixture
def source(tmp_path: Path) -> Fer2013:
    write_fer2013(tmp_path / "fer2013.csv", *make_faces(21))
    return Fer2013(str(tmp_path), str(tmp_path / "cache"))


def vote(**counts: int) -> list[int]:
    return [counts.get(name, 0) for name in COLUMNS]


VOTES = [
    vote(happiness=8, neutral=2),
    vote(sadness=5, neutral=5),
    vote(contempt=6, anger=4),
    vote(unknown=5, fear=5),
    vote(NF=10),
    vote(),
    *[vote(neutral=10)] * 15,
]


def test_fer2013_has_official_names(source: Fer2013, tmp_path: Path) -> None:
    wrapped = Cleaned(source, Cleaning())
    plus = FerPlus(str(tmp_path), cache=str(tmp_path / "cache"))
    both = Fer2013WithVotes(str(tmp_path), cache=str(tmp_path / "cache"))
    for one in (source, wrapped, plus, both):
        assert split_names(one) == OFFICIAL
    assert split_names(SyntheticFaces())["test"] == "test"


def test_copies_are_of_exactly_the_same_pixels() -> None:
    images = np.arange(7, dtype=np.uint8)[:, None, None].repeat(4, axis=1).repeat(4, axis=2)
    rows = np.arange(7)
    test = images[[1, 3, 5, 6, 6]].copy()
    test[1, 0, 0] += 1
    faces = Faces(
        ("a", "b"),
        {
            "train": Split(images[:3], rows[:3] % 2, rows[:3]),
            "val": Split(images[4:6], rows[:2], rows[3:5]),
            "test": Split(test, rows[:5] % 2, rows[:5] + 5),
        },
        "f",
        "o",
    )
    # Copies within the test split count there: they are no hint.
    assert has_earlier_copy(faces).tolist() == [True, False, True, False, False]


def test_the_votes_beside_fer2013_are_read(source: Fer2013, tmp_path: Path) -> None:
    write_votes(tmp_path / "fer2013new.csv", make_faces(21)[2], VOTES)
    faces = source.load()
    for one in (source, Cleaned(source, Cleaning())):
        crowd = read_annotator_votes(one, faces)
        winner = [EMOTIONS[i] if i >= 0 else None for i in crowd.winner[:6]]
        assert winner == ["happy", None, None, None, None, None]
        guess = [EMOTIONS[i] if i >= 0 else None for i in crowd.guess[:6]]
        assert guess == ["happy", "neutral", None, "fear", None, None]
        assert crowd.counts.tolist() == VOTES


def refusal(source: Source, faces: Faces) -> str:
    with pytest.raises(DataError) as caught:
        read_annotator_votes(source, faces)
    return str(caught.value)


def test_without_votes_the_reason_is_told(source: Fer2013, tmp_path: Path) -> None:
    faces = source.load()
    assert "fer2013new.csv) are not beside" in refusal(source, faces)
    write_votes(tmp_path / "fer2013new.csv", make_faces(24)[2], [vote(NF=1)] * 24)
    assert "do not belong together" in refusal(source, faces)
    assert "only FER2013" in refusal(SyntheticFaces(), faces)
    plus = FerPlus(str(tmp_path), cache=str(tmp_path / "cache"))
    assert "own votes" in refusal(plus, faces)


def test_folders_of_pictures_have_no_rows_of_the_csv(tmp_path: Path) -> None:
    write_fer2013_folders(tmp_path / "data", *make_faces(21))
    source = Fer2013(str(tmp_path / "data"), str(tmp_path / "cache"))
    faces = source.load()
    assert "pictures in folders do not tell" in refusal(source, faces)
    assert "data.manifest=FILE" in refusal(source, faces)
    with pytest.raises(DataError, match="use FER2013 as a CSV file, or name a manifest"):
        check_rows_tell(source, faces)


@pytest.fixture
def pictures(source: Fer2013, tmp_path: Path) -> Fer2013:
    """The same faces as pictures, with votes beside them and a manifest of their pixels."""
    images, labels, usages = make_faces(21)
    write_manifest(source.load(), tmp_path / "m.csv")
    # Not in the order of the rows.
    write_fer2013_folders(tmp_path / "data", images, labels, usages)
    write_votes(tmp_path / "data" / "fer2013new.csv", usages, VOTES)
    cache = str(tmp_path / "cache")
    return Fer2013(str(tmp_path / "data"), cache, manifest=str(tmp_path / "m.csv"))


def test_a_manifest_tells_the_rows_of_pictures(source: Fer2013, pictures: Fer2013) -> None:
    faces, wrapped = source.load(), WithOfficialRows(pictures)
    found = wrapped.load()
    for name, split in found.splits.items():
        told = faces.splits[name].take(np.argsort(faces.splits[name].rows))
        order = np.argsort(split.rows)
        np.testing.assert_array_equal(split.rows[order], told.rows)
        np.testing.assert_array_equal(split.images[order], told.images)
        for row, label in zip(split.rows.tolist(), split.labels.tolist(), strict=True):
            assert f"/{EMOTIONS[label]}/" in found.names[row]
    check_rows_tell(wrapped, found)
    assert read_annotator_votes(wrapped, found).counts[:21].tolist() == VOTES
    assert split_names(wrapped) == OFFICIAL
    check_rows_tell(source, faces)
    check_rows_tell(SyntheticFaces(), Faces(faces.classes, faces.splits, "f", "o", names=["a"]))
    # Without a manifest, or of a CSV file, nothing changes.
    assert WithOfficialRows(source).load().splits["test"].rows.tolist() == list(range(14, 21))


def test_pictures_that_the_manifest_does_not_know_have_no_votes(
    pictures: Fer2013, tmp_path: Path
) -> None:
    lines = (tmp_path / "m.csv").read_text().splitlines()
    (tmp_path / "m.csv").write_text("\n".join(lines[:-1]) + "\n")
    wrapped = WithOfficialRows(pictures)
    found = wrapped.load()
    (unknown,) = [row for row in found.splits["test"].rows.tolist() if row >= FACES]
    crowd = read_annotator_votes(wrapped, found)
    assert (crowd.winner[unknown], crowd.guess[unknown], crowd.counts[unknown].sum()) == (-1, -1, 0)
    with pytest.raises(DataError, match="does not know the pixels of 1 of its pictures"):
        check_rows_tell(wrapped, found)


def test_scaling_leaves_faces_of_that_size_alone(source: Fer2013) -> None:
    faces = source.load()
    assert scaled(faces, 48).splits["test"].images is faces.splits["test"].images
    small = scaled(faces, 24).splits["test"]
    assert small.images.shape == (7, 24, 24)
    np.testing.assert_array_equal(small.rows, faces.splits["test"].rows)


def test_the_copies_of_fer2013(official: Faces) -> None:
    assert has_earlier_copy(official).sum() == 314
