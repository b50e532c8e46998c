"""Judge a model: ``python -m fer.evaluate ckpt=PATH [data=CHOICE …] [KEY=VALUE …]``.

A judgement's folder holds ``metrics.json``, ``predictions.parquet``, ``report.html``,
``config.yaml`` and ``provenance.json``; a comparison's ``metrics.json`` alone with the last two.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from fer.config.entry import run

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    import numpy.typing as npt
    from omegaconf import DictConfig

    from fer.config.problems import Problem
    from fer.data.source import Faces, Source
    from fer.evaluation import Case, Predictions
    from fer.inference import Model

EXAMPLES = """
python -m fer.evaluate ckpt=runs/cnn_lstm/TIME/checkpoints/best.ckpt       # on FER2013
python -m fer.evaluate ckpt=default                                        # what comes with fer
python -m fer.evaluate ckpt=PATH data=folder data.root=FOLDER              # on your own pictures
python -m fer.evaluate ckpt=PATH data=synthetic tta=false report=false     # a single view, no page
python -m fer.evaluate ckpt=PATH data=synthetic_clips                      # a model of clips
python -m fer.evaluate ckpt=PATH robustness=true                           # and in bad light, …
python -m fer.evaluate predictions=answers.csv                             # any system's answers
python -m fer.evaluate compare=[runs/evaluate/A,runs/evaluate/B]           # which is better
python -m fer.evaluate compare=[[A0,A1,A2],[B0,B1,B2]]                     # over three seeds each
python -m fer.evaluate ckpt=PATH hydra.run.dir=FOLDER                      # name the folder
"""

#: What shows that a folder holds a run.
RUN_FILES = ("metrics.json", "predictions.parquet", "checkpoints", "history.csv")


def evaluate(config: DictConfig) -> None:
    """Judge a model, a file of answers, or one model against others."""
    from fer.config.folder import run_folder

    with run_folder() as folder:
        if config.compare is not None:
            compare_models(config, folder)
        else:
            judge_one(config, folder)


def judge_one(config: DictConfig, folder: Path) -> None:
    """Judge a checkpoint or a file of answers on a data set."""
    from fer.config.evaluating import check_form, chosen_data, evaluation_source
    from fer.config.folder import record_evaluation
    from fer.core.holdout_access import describe_test_accesses
    from fer.core.io import write_json
    from fer.core.pretrained import weights_path
    from fer.data.disk_images import in_memory
    from fer.data.fer2013_reference import annotator_votes_or_reason, has_earlier_copy, split_names
    from fer.evaluation import Case, judge, write_predictions
    from fer.evaluation.judgement import MARKS
    from fer.evaluation.predicting import check_classes, check_faces, unread_metadata
    from fer.evaluation.summary import judgement_table
    from fer.inference.model import frames_of
    from fer.reporting.evaluation import write_report

    model = _model(config) if config.ckpt else None
    if model is not None:
        check_form(config, model)
    scaling = (model.size, model.fit) if model else None
    source = evaluation_source(config, scaling, frames_of(model))
    # The names of the classes are known before the pictures are read.
    check_classes(f"data={chosen_data()}", source.class_names(), model)
    original = source.load()
    check_faces(original, model)
    crowd, no_crowd = annotator_votes_or_reason(source, original)
    # Each test face is looked at several times.
    faces = in_memory(original, "test")
    if model is None:
        answers = _read(config, faces, source)
        # Answers that could not be read were no look.
        looks = _count_look(config, folder, source, original.fingerprint)
    else:
        looks = _count_look(config, folder, source, original.fingerprint)
        answers = _asked(config, model, faces, source)
    unread = unread_metadata(model, answers.faces.splits["test"])
    case = Case(
        answers.predictions,
        answers.faces,
        split_names(source),
        has_earlier_copy(original),
        views=answers.views,
        crowd=crowd,
        temperature=model.temperature if model else None,
        why_not={
            "crowd": no_crowd,
            "tta": answers.no_views,
            **({"metadata": unread} if unread else {}),
        },
        fingerprints={
            "data": original.fingerprint,
            "votes": crowd.sha256 if crowd else None,
            "manifest": _sha256(config.data.get("manifest")) if original.names else None,
            "checkpoint": _sha256(weights_path(config.ckpt) if config.ckpt else None),
            "predictions": _sha256(config.predictions),
        },
        seed=config.seed,
        marks={name: why for name in MARKS if (why := getattr(model, name, ""))},
    )
    metrics = judge(case)
    if model is not None and config.robustness is not False:
        metrics["robustness"] = _robustness(config, model, case)
    metrics["branches"] = _branches(config, model, case, metrics["unavailable"])
    record_evaluation(
        config,
        folder,
        fingerprint=original.fingerprint,
        origin=original.origin,
        marks=case.marks,
        facts={"looks": looks},
    )
    write_predictions(folder / "predictions.parquet", case.predictions)
    if config.report:
        path = folder / "report.html"
        write_report(path, metrics, case, model=model, pictures=config.report_pictures)
    write_json(folder / "metrics.json", metrics)
    sys.stdout.write(
        judgement_table(metrics) + f"{describe_test_accesses(**looks)}\nfolder: {folder}\n"
    )


def _count_look(
    config: DictConfig, folder: Path, source: Source, fingerprint: str
) -> dict[str, Any]:
    """Take down a look at the test split: with the run that a checkpoint is of, or else here."""
    from fer.core.holdout_access import record_test_access, run_folder_of
    from fer.core.pretrained import weights_path
    from fer.data.fer2013_reference import split_names

    split = split_names(source)["test"]
    run = run_folder_of(weights_path(config.ckpt)) if config.ckpt else None
    try:
        number = record_test_access(run or folder, split, fingerprint)
    except OSError as error:
        if run is None:
            raise
        why = f"the look can't be counted in {run} ({error.strerror}): it is in {folder}"
        sys.stderr.write(f"{why}\n")
        number = record_test_access(folder, split, fingerprint)
    return {"split": split, "number": number}


def _model(config: DictConfig) -> Model:
    from fer.inference import load_model

    return load_model(config.ckpt, device=config.device, allow=config.allow)


class _Answers(NamedTuple):
    """What was answered, about which faces, and why not in ten views."""

    predictions: Predictions
    faces: Faces
    views: npt.NDArray[np.float32] | None
    no_views: str


def _asked(config: DictConfig, model: Model, faces: Faces, source: Source) -> _Answers:
    """Ask the model."""
    from fer.data.fer2013_reference import split_names
    from fer.data.scaling import scaled
    from fer.evaluation import predict

    faces = scaled(faces, model.size, model.fit)
    predictions, views = predict(
        model, faces, split_names(source), tta=config.tta, batch_size=config.batch_size
    )
    return _Answers(predictions, faces, views, "tta=false")


def _read(config: DictConfig, faces: Faces, source: Source) -> _Answers:
    """Read what some system answered."""
    from fer.data.fer2013_reference import check_rows_tell, split_names
    from fer.evaluation import read_answers

    check_rows_tell(source, faces)
    predictions = read_answers(Path(config.predictions), faces, split_names(source))
    return _Answers(predictions, faces, None, "ten views need the model itself")


def _robustness(config: DictConfig, model: Model, case: Case) -> dict[str, Any]:
    """Ask the model again about faces in bad light, turned, blurred and so on."""
    from fer.evaluation.predicting import encoded_metadata
    from fer.evaluation.robustness import measure

    split = "test" if config.robustness == "test" else "val"
    some = case.faces.splits[split]
    beside = encoded_metadata(model, some)
    found = measure(
        model,
        some.images,
        some.labels,
        metadata=beside,
        seed=config.seed,
        at_most=config.robustness_faces,
    )
    return {"split": case.names[split], **found}


def _branches(
    config: DictConfig, model: Model | None, case: Case, unavailable: dict[str, str]
) -> dict[str, Any] | None:
    """Ask the model's branches one without the other."""
    from fer.evaluation.branches import branch_contributions, why_no_branches
    from fer.evaluation.predicting import encoded_metadata

    why = why_no_branches(model)
    if model is None or why:
        unavailable["branches"] = why or ""
        return None
    test = case.faces.splits["test"]
    return branch_contributions(
        model,
        test.images,
        test.labels,
        encoded_metadata(model, test),
        seed=config.seed,
        batch_size=config.batch_size,
    )


def compare_models(config: DictConfig, folder: Path) -> None:
    """Compare what earlier evaluations found, model against model."""
    from fer.config.evaluating import contenders
    from fer.config.folder import record_evaluation
    from fer.core.io import write_json
    from fer.evaluation import Contender, compare, read_predictions
    from fer.evaluation.comparison import comparison_table, marks_of, warnings_of
    from fer.evaluation.summary import mark_lines

    named = contenders(config)
    found = compare(
        [
            Contender(
                name,
                list(map(read_predictions, paths)),
                [word for path in paths for word in warnings_of(path)],
            )
            for name, paths in named.items()
        ]
    )
    marks = marks_of(named)
    origin = ", ".join(named)
    record_evaluation(
        config, folder, fingerprint="", origin=f"the predictions of {origin}", marks=marks
    )
    write_json(folder / "metrics.json", {**marks, "comparison": found})
    sys.stdout.write(comparison_table(found) + mark_lines(marks) + f"folder: {folder}\n")


def _sha256(path: str | Path | None) -> str | None:
    return (
        None if path is None else hashlib.sha256(Path(path).expanduser().read_bytes()).hexdigest()
    )


def main() -> int:
    """Start the command."""
    return run("evaluate", evaluate, examples=EXAMPLES, holds=RUN_FILES, check=_check)


def _check(config: DictConfig, overrides: Sequence[str]) -> list[Problem]:
    # Where the extra is missing, what this imports is too: run() says so first.
    from fer.config.evaluating import check_evaluation

    return check_evaluation(config, overrides)


if __name__ == "__main__":
    sys.exit(main())
