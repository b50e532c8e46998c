"""Train what came before networks: ``python -m fer.baseline method=logistic|linear_svm``.

A run's folder holds ``metrics.json``, ``weights.npz``, ``config.yaml``, ``provenance.json`` and
``cleaning.csv``; with ``test=true`` also ``predictions.parquet``, ``report.html`` and
``test_looks.jsonl``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from fer.config.start import run_command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from omegaconf import DictConfig

    from fer.config.issues import ConfigIssue
    from fer.data.source import Faces
    from fer.evaluation.linear_baseline import LinearModel

EXAMPLES = """
python -m fer.baseline                                     # logistic regression, FER2013
python -m fer.baseline method=linear_svm test=true         # judged on PrivateTest too
python -m fer.baseline data=synthetic hog.cell=6 hog.orientations=8
python -m fer.baseline data=folder data.root=FOLDER 'C=[0.001,0.01]'
python -m fer.baseline robustness=true hydra.run.dir=FOLDER
"""

#: What shows that a folder holds a run.
RUN_FILES = ("metrics.json", "predictions.parquet", "weights.npz")


def baseline(config: DictConfig) -> None:
    """Fit a linear classifier on histograms of oriented gradients, and evaluate it."""
    from fer.config.run_folder import record_evaluation, run_folder
    from fer.config.sources import cleaned_source, evaluation_source
    from fer.core.holdout_access import describe_test_accesses, record_test_access
    from fer.core.io import write_json, write_text
    from fer.data.disk_images import in_memory
    from fer.data.fer2013_reference import split_names
    from fer.data.issues import findings_csv, findings_table
    from fer.data.scaling import scaled
    from fer.data.source import SPLITS
    from fer.evaluate import write_evaluation
    from fer.evaluation.evaluate import EvaluationOptions, evaluate_source
    from fer.evaluation.statistics import scores
    from fer.evaluation.text_report import metrics_table

    with run_folder() as folder:
        cleaned = cleaned_source(config)
        size, fit = config.data.size, config.data.fit
        # Features of all faces are held in memory anyway.
        faces = scaled(in_memory(cleaned.load(), *SPLITS), size, fit)
        sys.stdout.write(findings_table(faces.findings))
        check(faces, test=config.test)
        model, metrics = fit_best(config, faces)
        facts: dict[str, Any] = {
            "faces": {name: len(split) for name, split in faces.splits.items()}
        }
        message = "the test split was not used: test=true evaluates it"
        case = None
        if config.test:
            # Without cleaning, as any evaluation.
            source = evaluation_source(config, (size, fit))
            name = split_names(source)["test"]
            number = record_test_access(folder, name, faces.fingerprint)
            facts["looks"] = {"split": name, "number": number}
            message = describe_test_accesses(name, number)
            keys = (*EvaluationOptions.__dataclass_fields__,)
            options = EvaluationOptions(**{key: config[key] for key in keys if key in config})
            case, found = evaluate_source(source, source.load(), model, options)
            sys.stdout.write(metrics_table(found))
            test = case.test()
            assert test.logits is not None  # noqa: S101 - the model's own
            metrics |= {**scores(test.label, test.logits, faces.classes, "test"), **found}
        record_evaluation(
            config, folder, fingerprint=faces.fingerprint, origin=faces.origin, facts=facts
        )
        write_text(folder / "cleaning.csv", findings_csv(faces.findings))
        model.save(folder / "weights.npz")
        if case is None:
            write_json(folder / "metrics.json", metrics)
        else:
            write_evaluation(config, folder, case, metrics, model)
        sys.stdout.write(
            f"validation accuracy {metrics['val/acc']:.4f} with C={metrics['C']}\n{message}\n"
            f"folder: {folder}\n"
        )


def check(faces: Faces, *, test: bool) -> None:
    """Hold the data against what is to be done with it.

    Raises:
        DataError: a split is missing or empty, or a class has no training face.
    """
    import numpy as np

    from fer.data.source import DataError

    for name in ("train", "val", *(["test"] if test else [])):
        if len(faces.splits.get(name, ())) == 0:
            way = ": leave out test=true" if name == "test" else ""
            raise DataError(f"{faces.origin} has no faces in its split {name!r}{way}")
    counts = np.bincount(faces.splits["train"].labels, minlength=len(faces.classes))
    if missing := [name for name, n in zip(faces.classes, counts, strict=True) if n == 0]:
        raise DataError(f"{faces.origin} has no training face of {', '.join(missing)}")


def fit_best(config: DictConfig, faces: Faces) -> tuple[LinearModel, dict[str, Any]]:
    """Return the classifier that is best on the validation split, and what it scores there."""
    from tqdm import tqdm

    from fer.evaluation.linear_baseline import Hog, LinearFit, LinearModel, fit_each
    from fer.evaluation.statistics import scores

    hog = Hog(**config.hog)
    train, val = faces.splits["train"], faces.splits["val"]
    with tqdm(total=len(train) + len(val), desc="histograms", mininterval=0.5) as bar:
        seen = [(hog(split.images, bar=bar), split.labels) for split in (train, val)]
    with tqdm(total=len(config.C), desc=f"fits of {config.method}") as bar:

        def done(one: LinearFit) -> None:
            end = "" if one.converged else f", not converged after max_iter={config.max_iter}"
            bar.write(f"C={one.c:g}: validation accuracy {one.accuracy:.4f}{end}", file=sys.stdout)
            bar.update()

        fits = fit_each(
            config.method,
            seen[0],
            seen[1],
            len(faces.classes),
            list(config.C),
            max_iter=config.max_iter,
            done=done,
        )
    # The first of equals has the strongest penalty, where they rise.
    best = max(fits, key=lambda one: one.accuracy)
    model = LinearModel(
        faces.classes, config.data.size, config.data.fit, hog, best.weights, best.bias
    )
    logits = seen[1][0] @ best.weights + best.bias
    found = {
        "C": best.c,
        "parameters": model.parameters,
        # Of the classifier; histograms have none to speak of.
        "multiply_adds": int(best.weights.size),
        "val/best_acc": best.accuracy,
        **scores(val.labels, logits, faces.classes, "val"),
    }
    return model, found


def check_baseline(config: DictConfig, overrides: Sequence[str]) -> list[ConfigIssue]:  # noqa: ARG001
    """Return what can't be done, before any data is read."""
    from fer.config.issues import ConfigIssue
    from fer.config.validate import clips_mismatch, reads_clips

    problems = []
    if reads_clips(config):
        misfit = clips_mismatch(of_clips=False, data=True)
        problems.append(
            ConfigIssue(
                "clips_or_faces",
                "data",
                f"a baseline {misfit.partition(': ')[0]}: choose data=fer2013",
            )
        )
    if config.data.protocol != "official":
        problems.append(
            ConfigIssue("protocol", "data.protocol", "baselines take the official split alone")
        )
    if config.robustness == "test":
        problems.append(
            ConfigIssue(
                "validation_only", "robustness", "is measured on the validation split: true"
            )
        )
    cells = [config.hog[key] for key in ("cell", "block")]
    size = config.data.size
    if all(isinstance(v, int) and v > 0 for v in (*cells, size)) and size // cells[0] < cells[1]:
        what = (
            f"a block of {cells[1]} cells doesn't fit into a face of {size}: choose a smaller cell"
        )
        problems.append(ConfigIssue("block_too_large", "hog.cell", what))
    return problems


def main() -> int:
    """Start the command."""
    return run_command(
        "baseline", baseline, examples=EXAMPLES, holds=RUN_FILES, check=check_baseline
    )


if __name__ == "__main__":
    sys.exit(main())
