"""What the page says in words, where that depends on what was found."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from fer.core.labels import is_basic_seven

#: The verdict in a few words, for people who have never heard of memorisation.
VERDICTS: Final[Mapping[str, str]] = {
    "ok": "No sign that the test labels were known",
    "suspicious": "Perhaps some of the test labels were known",
    "leaked": "It answers as if it knew the test labels: don't rely on this number",
    "uninformative": "Too low an accuracy to judge",
    "": "Not judged",
}

#: What the check is, before what it found.
CHECK: Final = (
    "Ten other people named each face for FER+. Where most of their votes are for another emotion "
    "than the data set's own label, an honest system often sides with them, while one that has "
    "seen the labels repeats them. This is evidence, no proof: a short training on the test faces "
    "remembers few labels, and answers weighted towards rare classes can repeat many."
)


_FOLLOWS: Final[Mapping[str, str]] = {
    "invalid": "No number on this page may be quoted as a score.",
    "not_comparable": "No number on this page may be held against scores of other systems.",
}


def meaning(classes: tuple[str, ...], names: Mapping[str, str]) -> str:
    """Return what the headline number means.

    Args:
        classes: their names.
        names: of the splits, by which FER2013 is known.
    """
    said = (
        "the share of faces for which the answer is the label of the data set: the label that "
        "annotators would give this face"
    )
    if not is_basic_seven(classes):
        return f"It is {said}."
    said = (
        f"It is {said}. It does not say what a person feels: facial movements are no reliable "
        "reading of felt emotion (Barrett et al. 2019)."
    )
    if names["test"] != "PrivateTest":
        return said
    return (
        f"{said} Labels are noisy, too: two people often "
        "name the same face differently, and the people whom Goodfellow et al. (2013) asked "
        "agreed with FER2013's labels on 65 ± 5 % of them."
    )


def protocol(
    metrics: Mapping[str, Any],
    names: Mapping[str, str],
    *,
    made: Mapping[str, Any] | None,
    marked: bool,
) -> list[str]:
    """Return how the numbers came about, a sentence or two each.

    Args:
        metrics: what was found.
        names: of the splits.
        made: what a model of ours says of its making; None where a file of answers was read.
        marked: whether the model says of itself that it was trained otherwise.
    """
    test, val, train = names["test"], names["val"], names["train"]
    official, alone = metrics["official"], metrics["deduplicated"]
    said = []
    if marked:
        said.append("Training: not by the protocol, as is said at the top of this page.")
    else:
        said.append(_training(metrics["fingerprints"].get("data"), names, made))
    said.append(
        f"Official: every face of {test} counts, {official['n']:,} in all, none left out or "
        "re-labelled."
    )
    if alone is not None:
        copies = official["n"] - alone["n"]
        said.append(
            f"Deduplicated: faces of {test} that have an exact copy, pixel by pixel, in {train} or "
            f"{val} are left out: {copies:,} here, so that {alone['n']:,} are counted."
        )
    said.append(
        "Single view: each face is looked at once, as it is. Headline figures are of a single view."
    )
    if metrics["tta"] is not None:
        said.append(
            "Ten views (tta, test-time augmentation): each face is looked at as it is, shifted a "
            "little towards each of its four corners, and all of that mirrored; the mean of the "
            "ten probabilities answers."
        )
    said.append(
        f"Intervals: 95 % of {metrics['resamples']:,} bootstrap resamples of the faces lie within "
        f"(percentiles, seed {metrics['seed']}). They say how far chance in the choice of test "
        "faces goes, not how far another training would differ."
    )
    if metrics["temperature"] is not None:
        said.append(
            f"Temperature: {metrics['temperature']:.3f}, fitted on {val}"
            f"{' of the training data' if made is not None else ''}; logits are divided by it for "
            "calibrated probabilities, which changes no single-view answer."
        )
    return said


def _training(
    fingerprint: str | None, names: Mapping[str, str], made: Mapping[str, Any] | None
) -> str:
    if made is None:
        return (
            "Training: a file of answers does not tell how the system was trained or chosen. "
            "Whether it has seen the test labels is what the verdict judges."
        )
    if not made.get("fingerprint"):
        return "Training: the model does not say what it was trained on, nor how it was chosen."
    commit = f", commit {made['commit'][:12]}" if made.get("commit") else ""
    said = f"Training: on {made.get('data')}, seed {made.get('seed')}{commit}"
    if made["fingerprint"] != fingerprint:
        return f"{said}: other data than those it is judged on here."
    return (
        f"{said}: it learnt from {names['train']}, its epoch was chosen on {names['val']}, and "
        f"{names['test']} is scored here."
    )


def acquitted(verdict: str, marks: Mapping[str, str]) -> str:
    """Return the verdict in words, which never clears what is known to have seen test faces."""
    if "invalid" in marks and verdict != "leaked":
        return "It learnt from test faces, whether or not the check below can tell"
    return VERDICTS[verdict]


def mark_lines(marks: Mapping[str, str]) -> list[dict[str, str]]:
    """Return each mark of a model: its ``word``, ``why``, and what ``follows``."""
    return [
        {
            "word": name.upper().replace("_", " "),
            "why": f"by its training run, {why}",
            "follows": _FOLLOWS[name],
        }
        for name, why in marks.items()
    ]
