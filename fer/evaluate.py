"""Judge a model: ``python -m fer.evaluate ckpt=PATH [data=CHOICE …] [KEY=VALUE …]``.

A judgement's folder holds ``metrics.json``, ``predictions.parquet``, ``report.html``,
``config.yaml`` and ``provenance.json``; a comparison's ``metrics.json`` alone with the last two.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fer.config.start import run_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from omegaconf import DictConfig

    from fer.config.issues import ConfigIssue
    from fer.data.source import Source
    from fer.evaluation import EvaluationInput
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
    from fer.config.run_folder import run_folder

    with run_folder() as folder:
        if config.compare is not None:
            compare_models(config, folder)
        else:
            evaluate_one(config, folder)


def evaluate_one(config: DictConfig, folder: Path) -> None:
    """Evaluate a checkpoint or a file of answers on a data set."""
    from fer.config.run_folder import record_evaluation
    from fer.config.sources import chosen_data, evaluation_source
    from fer.config.validate import check_form
    from fer.core.holdout_access import describe_test_accesses
    from fer.core.pretrained import weights_path
    from fer.data.fer2013_reference import check_rows_tell, split_names
    from fer.evaluation import read_external_predictions
    from fer.evaluation.evaluate import EvaluationOptions, evaluate_source
    from fer.evaluation.model_predictions import check_classes, check_faces
    from fer.evaluation.text_report import metrics_table
    from fer.inference import load_model
    from fer.inference.model import frames_of

    model = predictions = None
    if config.ckpt:
        model = load_model(config.ckpt, device=config.device, allow=config.allow)
        check_form(config, model)
    source = evaluation_source(config, (model.size, model.fit) if model else None, frames_of(model))
    # The names of the classes are known before the pictures are read.
    check_classes(f"data={chosen_data()}", source.class_names(), model)
    original = source.load()
    check_faces(original, model)
    if model is None:
        # Before the access is counted: answers that can't be read are none.
        check_rows_tell(source, original)
        path = Path(config.predictions)
        predictions = read_external_predictions(path, original, split_names(source))
    access = _record_access(config, folder, source, original.fingerprint)
    case, metrics = evaluate_source(
        source,
        original,
        model,
        EvaluationOptions(**{key: config[key] for key in EvaluationOptions.__dataclass_fields__}),
        predictions=predictions,
        fingerprints={
            "manifest": _sha256(config.data.get("manifest")) if original.names else None,
            "checkpoint": _sha256(weights_path(config.ckpt) if config.ckpt else None),
            "predictions": _sha256(config.predictions),
        },
    )
    record_evaluation(
        config,
        folder,
        fingerprint=original.fingerprint,
        origin=original.origin,
        marks=case.marks,
        facts={"looks": access},
    )
    write_evaluation(config, folder, case, metrics, model)
    sys.stdout.write(
        f"{metrics_table(metrics)}{describe_test_accesses(**access)}\nfolder: {folder}\n"
    )


def write_evaluation(
    config: DictConfig,
    folder: Path,
    case: EvaluationInput,
    metrics: dict[str, Any],
    model: Model | None,
) -> None:
    """Write ``predictions.parquet``, ``report.html`` if ``config.report``, and ``metrics.json``."""
    from fer.core.io import write_json
    from fer.evaluation import write_predictions
    from fer.reporting.evaluation import write_report

    write_predictions(folder / "predictions.parquet", case.predictions)
    if config.report:
        path = folder / "report.html"
        write_report(path, metrics, case, model=model, pictures=config.report_pictures)
    write_json(folder / "metrics.json", metrics)


def _record_access(
    config: DictConfig, folder: Path, source: Source, fingerprint: str
) -> dict[str, Any]:
    """Count a use of the test split, in the run of the checkpoint or else in this folder."""
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


def compare_models(config: DictConfig, folder: Path) -> None:
    """Compare what earlier evaluations found, model against model."""
    from fer.config.run_folder import record_evaluation
    from fer.config.validate import contenders
    from fer.core.io import write_json
    from fer.evaluation import ModelRuns, compare, read_predictions
    from fer.evaluation.comparison import comparison_table, marks_of, warnings_of
    from fer.evaluation.text_report import mark_lines

    named = contenders(config)
    found = compare(
        [
            ModelRuns(
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
    return run_command("evaluate", evaluate, examples=EXAMPLES, holds=RUN_FILES, check=_check)


def _check(config: DictConfig, overrides: Sequence[str]) -> list[ConfigIssue]:
    # Where the extra is missing, what this imports is too: run() says so first.
    from fer.config.validate import check_evaluation

    return check_evaluation(config, overrides)


if __name__ == "__main__":
    sys.exit(main())
