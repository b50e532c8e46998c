"""The run folder: made by Hydra, described here, and gone again where nothing was run."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path, PurePath
from typing import Any, Final

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from fer.config.compose import compose, leaves, lookup, to_plain
from fer.config.distributed import is_nonzero_rank
from fer.config.overrides import key_of, written
from fer.config.validate import OF_MODEL, OF_TRAINING
from fer.core import locks
from fer.core.errors import UserError
from fer.core.holdout_access import ACCESS_LOG
from fer.core.io import DISK_ERRORS, write_json, write_text
from fer.core.provenance import describe
from fer.data.issues import findings_csv
from fer.data.source import DataError, Faces

#: Of the best epoch, below the run folder.
BEST: Final = Path("checkpoints", "best.ckpt")
#: Held as long as a command works in a run folder.
_LOCK: Final = ".lock"
_BUSY: Final = "another command works in {}: wait for its end, or name another folder"


@contextmanager
def run_folder() -> Iterator[Path]:
    """Yield the folder of this run; where a run never came to its data, no folder is left.

    Raises:
        KeyboardInterrupt: the user stopped the run; with its folder, once it is one.
        OSError: a file could not be written; with the folder, where nobody says which.
        UserError: another process works in the folder.
    """
    hydra = HydraConfig.get()
    folder = Path(hydra.runtime.output_dir)
    lock = None if is_nonzero_rank() else _lock(folder)
    try:
        yield folder
    except KeyboardInterrupt as interrupt:
        if (folder / "config.yaml").exists():
            raise KeyboardInterrupt(str(folder)) from interrupt
        raise
    except OSError as error:
        # Who writes without naming the file, as loggers do, writes here.
        if error.errno in DISK_ERRORS and error.filename is None:
            raise OSError(error.errno, error.strerror, str(folder)) from error
        raise
    finally:
        # A folder that the user named is theirs.
        named = "hydra.run.dir" in map(key_of, hydra.overrides.hydra)
        kept = any((folder / name).exists() for name in ("config.yaml", ACCESS_LOG))
        if not named and not is_nonzero_rank() and not kept:
            shutil.rmtree(folder, ignore_errors=True)
            # The folder of the model's runs, where this was to be the first.
            with suppress(OSError):
                folder.parent.rmdir()
        if lock is not None:
            with suppress(OSError):
                (folder / _LOCK).unlink(missing_ok=True)
            locks.unlock(lock)


def busy(folder: Path) -> str | None:
    """Say that another command works in a run folder, if one does."""
    if not (folder / _LOCK).is_file():
        return None
    if (lock := locks.try_lock(folder / _LOCK)) is None:
        return _BUSY.format(folder)
    locks.unlock(lock)
    return None


def _lock(folder: Path) -> int:
    if (lock := locks.try_lock(folder / _LOCK)) is None:
        raise UserError(_BUSY.format(folder), code="busy_folder", where=str(folder))
    return lock


def record(config: DictConfig, folder: Path, faces: Faces, *, precision: str) -> None:
    """Write the resolved configuration, where everything came from and what was wrong with it.

    The folder of a protocol that no number should come of gets a file that says so in its name. Of
    several processes the first writes.

    Raises:
        DataError: the folder holds a run on other data.
    """
    # Protocols augment by torch, which the check of a command line does without.
    from fer.data.cleaning.protocols import mark_of

    if is_nonzero_rank():
        return
    path = folder / "provenance.json"
    # A resumed run has more than one beginning.
    earlier = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    if earlier is not None and earlier["data"]["fingerprint"] != faces.fingerprint:
        raise DataError(
            f"the data has changed since the run in {folder} began: it was "
            f"{earlier['data']['origin']} with the fingerprint {earlier['data']['fingerprint']}, "
            f"and is {faces.origin} with {faces.fingerprint}. Bring the old data back, or begin "
            "another run without resume=auto",
            code="data_changed",
            where=str(folder),
        )
    if (mark := mark_of(config.data.protocol)) is not None:
        write_text(folder / mark.file, f"{mark.word}: {mark.why}\n")
    write_text(folder / "config.yaml", OmegaConf.to_yaml(config, resolve=True))
    origin = describe(
        seed=config.seed, data_fingerprint=faces.fingerprint, data_origin=faces.origin
    )
    counts = {name: len(split) for name, split in faces.splits.items()}
    facts = {"faces": counts, "precision": precision, "resumed_from": earlier}
    write_json(path, {**origin, **facts})
    write_text(folder / "cleaning.csv", findings_csv(faces.findings))


def making(folder: Path, metrics: Mapping[str, float]) -> dict[str, Any]:
    """Return how the network of a run was made, in plain values and without paths.

    Returns:
        ``version`` of this package, ``commit``, ``dirty``, ``seed``, ``time``, ``precision``,
        ``data`` (the name of its file or folder), ``fingerprint`` of the data, ``protocol``,
        ``folds`` and ``fold`` where one was left out, ``metrics`` of the best epoch.
    """
    known = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    config = OmegaConf.load(folder / "config.yaml")
    origin = PurePath(known["data"]["origin"])
    return {
        "version": known["versions"].get("fer-framework"),
        **{name: known[name] for name in ("commit", "dirty", "seed", "time", "precision")},
        "data": origin.name if origin.is_absolute() else str(origin),
        "fingerprint": known["data"]["fingerprint"],
        "protocol": config.data.protocol,
        **{k: n for k in ("folds", "fold") if (n := config.data.get(k)) is not None},
        "metrics": {n: metrics[n] for n in ("val/best_acc", "val/best_epoch") if n in metrics},
    }


def record_evaluation(
    config: DictConfig,
    folder: Path,
    *,
    fingerprint: str,
    origin: str,
    marks: Mapping[str, str] | None = None,
    facts: Mapping[str, Any] | None = None,
) -> None:
    """Write the resolved configuration of an evaluation, and where what it judged came from.

    Args:
        config: the composed configuration.
        folder: of the evaluation.
        fingerprint: of the data.
        origin: of the data, for people to read.
        marks: why no number should come of the model, by what it is: ``invalid``,
            ``not_comparable``; each gets a file that says so in its name.
        facts: what else belongs beside them.
    """
    for name, why in (marks or {}).items():
        write_text(folder / name.upper(), f"{name.upper().replace('_', ' ')}: {why}\n")
    write_text(folder / "config.yaml", OmegaConf.to_yaml(config, resolve=True))
    provenance = describe(seed=config.seed, data_fingerprint=fingerprint, data_origin=origin)
    write_json(folder / "provenance.json", {**provenance, **(facts or {})})


def scoring_command(config: DictConfig, folder: Path) -> str:
    """Return the command that scores the test split, on the data that a run learnt from."""
    hydra = HydraConfig.get()
    if config.data.protocol != "official":
        # Its test split is none that an evaluation knows.
        task = [text for text in hydra.overrides.task if key_of(text) not in ("resume", "test")]
        place = f"hydra.run.dir={written(str(folder))}"
        return shlex.join(["python", "-m", "fer.train", *task, place, "resume=auto", "test=true"])
    own = [s.path for s in hydra.runtime.config_sources if s.provider == "command-line"]
    choice = f"data={hydra.runtime.choices['data']}"
    # Not resolved: what only hands another key on is not repeated.
    known = to_plain(compose("evaluate", [choice], own), resolve=False)
    plain = to_plain(config, resolve=False)
    differing = [
        f"{key}={written(value)}"
        for key, value in leaves({"data": plain["data"], "paths": plain["paths"]}).items()
        if key not in (*OF_TRAINING, *OF_MODEL) and lookup(known, key, "") != value
    ]
    options = [word for path in own for word in ("--config-dir", path)]
    ckpt = f"ckpt={written(str(folder / BEST))}"
    return shlex.join(["python", "-m", "fer.evaluate", *options, ckpt, choice, *differing])
