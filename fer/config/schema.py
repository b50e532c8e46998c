"""What values may be.

A value has the type of its default in the YAML file. :data:`SCHEMA` says more of what no
constructor of this package takes: keys of the commands, and parts of torch and Lightning. These
two are checked without torch. All other types and ranges stand at the constructors (see
:mod:`fer.core.ranges`) and are read there by :func:`constructor_issues`, which imports them.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import cache
from importlib import import_module
from typing import Annotated, Any, Final, Literal

from annotated_types import Ge, Gt, Len, Lt, MinLen
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from fer.config.issues import ConfigIssue
from fer.core.ranges import (
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    PositiveShare,
    ShareBelowOne,
)

_Text = Annotated[str, MinLen(1)]
_Seed = Annotated[int, Ge(0), Lt(2**32)]
_Texts = Annotated[list[_Text], MinLen(1)]
_Contender = _Text | list[_Text]
_BetweenZeroAndOne = Annotated[float, Gt(0), Lt(1)]

#: By dotted key; ``*`` stands for any part. The first that fits counts.
SCHEMA: Final[dict[str, Any]] = {
    **dict.fromkeys(
        (
            "name", "ckpt_path", "init_from", "ckpt", "predictions", "paths.cache",
            "logger.entity", "logger.group", "logger.job_type", "logger.notes",
            "data.clean.fixes", "data.metadata", "data.manifest", "data.root", "data.votes",
            "data.labels",
        ),
        _Text | None,
    ),
    **dict.fromkeys(
        (
            "jobs", "search.trials", "search.jobs", "hog.*", "max_iter", "batch_size",
            "callbacks.*.patience", "trainer.num_nodes", "trainer.max_epochs",
            "trainer.check_val_every_n_epoch", "trainer.accumulate_grad_batches",
        ),
        PositiveInt,
    ),
    **dict.fromkeys(
        (
            "search.startup", "search.finished", "search.warmup", "search.restarts",
            "data.source.seed", "scheduler.patience", "trainer.log_every_n_steps",
        ),
        NonNegativeInt,
    ),
    "seed": _Seed,
    "search.seed": _Seed,
    "resume": Literal["auto"] | None,
    "allow": list[_Text],
    "compare": list[_Contender] | dict[str, _Contender] | None,
    "robustness": bool | Literal["test"],
    "robustness_faces": PositiveInt | None,
    "seeds": Annotated[list[_Seed], MinLen(1)],
    "kind": Literal["families", "ablations", "clips", "all"],
    "only": _Texts | None,
    "overrides": list[_Text],
    "search.gpus": PositiveInt | None,
    "search.sampler": Literal["tpe", "random"],
    "search.pruning": Literal["median", "halving", "none"],
    "search.space.*.low": float,
    "search.space.*.high": float,
    "search.space.*.step": PositiveFloat | None,
    "method": Literal["logistic", "linear_svm"],
    "C": Annotated[list[PositiveFloat], MinLen(1)],
    "device": Literal["cpu", "cuda", "mps"],
    "data.resident": bool | Literal["auto"],
    "data.only_classes": Annotated[list[_Text], MinLen(2)] | None,
    "model.metadata.columns": _Texts | None,
    "optimizer.lr": PositiveFloat,
    "optimizer.weight_decay": NonNegativeFloat,
    "optimizer.momentum": ShareBelowOne,
    "optimizer.betas": Annotated[list[ShareBelowOne], Len(2, 2)],
    "scheduler.factor": _BetweenZeroAndOne,
    "scheduler.min_lr": NonNegativeFloat,
    "scheduler.mode": Literal["min", "max"],
    "loss.label_smoothing": ShareBelowOne,
    "callbacks.*.min_delta": NonNegativeFloat,
    "callbacks.*.logging_interval": Literal["step", "epoch"],
    "callbacks.*.mode": Literal["min", "max"],
    "trainer.accelerator": Literal["auto", "cpu", "gpu", "cuda", "mps", "tpu"],
    "trainer.devices": (
        PositiveInt | Literal["auto", -1] | Annotated[list[NonNegativeInt], MinLen(1)]
    ),
    "trainer.strategy": Literal["auto", "ddp", "ddp_find_unused_parameters_true"],
    "trainer.precision": Literal[
        "auto", "64-true", "32-true", "16-mixed", "bf16-mixed", "bf16-true", "16-true",
        "bf16", 64, 32, 16,
    ],
    "trainer.min_epochs": PositiveInt | None,
    "trainer.max_steps": Annotated[int, Ge(-1)],
    "trainer.max_time": (
        Annotated[str, Field(pattern=r"^\d+:\d\d:\d\d:\d\d$"), Gt("00:00:00:00")] | None
    ),
    # A whole number of batches, or a share of them.
    "trainer.limit_*_batches": PositiveInt | PositiveShare,
    "trainer.num_sanity_val_steps": Annotated[int, Ge(-1)],
    "trainer.gradient_clip_val": NonNegativeFloat | None,
    "trainer.gradient_clip_algorithm": Literal["norm", "value"] | None,
    "trainer.deterministic": bool | Literal["warn"],
    "trainer.benchmark": bool | None,
    "trainer.profiler": Literal["simple", "advanced", "pytorch"] | None,
    "logger.mode": Literal["online", "offline", "disabled"] | None,
}  # fmt: skip

#: What is built of a node that names no class: by its key, which constructors take its values.
_BUILT_OF: Final[dict[str, tuple[str, ...]]] = {
    "data": (
        "fer.data.datamodule.FaceDataModule",
        "fer.data.folds.WithoutFold",
    ),
    "data.clean": ("fer.data.cleaning.clean.Cleaning",),
    "augmentation.mixing": ("fer.learning.batch_mixing.BatchMixing",),
}

#: Pydantic's words, and plainer ones.
_WORDS: Final = {
    "Input should be": "must be",
    "a valid integer": "a whole number",
    "a valid number": "a number",
    "a finite number": "a number",
    "a valid string": "text",
    "a valid boolean": "true or false",
    "a valid array": "a list",
    " after validation": "",
}


def value_issue(key: str, value: Any, default: Any) -> ConfigIssue | None:
    """Check a value by :data:`SCHEMA`, or else by the type of its default.

    Args:
        key: dotted.
        value: in plain containers.
        default: the value in the YAML file; a key without one takes anything here.
    """
    kind = schema_of(key)
    if kind is None or key.endswith("_target_"):
        if default is None:
            return None
        kind = _Text if isinstance(default, str) else type(default)
    return _issue(key, value, kind)


def schema_of(key: str) -> Any:
    """Return the annotation of a key in :data:`SCHEMA`, or None."""
    if key in SCHEMA:
        return SCHEMA[key]
    return next(
        (kind for name, kind in SCHEMA.items() if "*" in name and fnmatchcase(key, name)), None
    )


def constructor_issues(
    config: Mapping[str, Any], known: Mapping[str, Any] | None = None
) -> list[ConfigIssue]:
    """Check values by the annotations of the constructors that take them.

    Args:
        config: the resolved configuration in plain containers.
        known: the defaults: what equals them is not checked, and its classes are not imported.
    """
    issues = []
    for prefix, node, targets in _nodes("", config):
        defaults = _inside(known or {}, prefix)
        names = [
            name
            for name, value in node.items()
            if (name not in defaults or defaults[name] != value)
            and not name.startswith("_")
            and schema_of(f"{prefix}{name}") is None
            and not (isinstance(value, Mapping) and "_target_" in value)
        ]
        for target in targets if names else ():
            kinds = _annotations(target)
            issues += [
                issue
                for name in names
                if name in kinds and (issue := _issue(f"{prefix}{name}", node[name], kinds[name]))
            ]
    return issues


def _nodes(
    prefix: str, node: Mapping[str, Any]
) -> Iterator[tuple[str, Mapping[str, Any], tuple[str, ...]]]:
    """Yield the nodes that constructors take, with their prefix and these constructors."""
    targets = _BUILT_OF.get(prefix.rstrip("."), ())
    if isinstance(own := node.get("_target_"), str):
        targets = (*targets, own)
    if targets:
        yield prefix, node, targets
    for name, value in node.items():
        if isinstance(value, Mapping) and name != "hydra":
            yield from _nodes(f"{prefix}{name}.", value)


def _inside(tree: Any, prefix: str) -> Mapping[str, Any]:
    for part in filter(None, prefix.split(".")):
        tree = tree.get(part, {}) if isinstance(tree, Mapping) else {}
    return tree if isinstance(tree, Mapping) else {}


@cache
def _annotations(path: str) -> dict[str, Any]:
    """Return the types of what a class or function of this package takes, by argument.

    Others' have no ranges, and what can't be imported is reported where it is built.
    """
    module, _, name = path.rpartition(".")
    if not module.startswith("fer."):
        return {}
    try:
        target = getattr(import_module(module), name)
    except (ImportError, AttributeError):
        return {}
    found: dict[str, Any] = {}
    for base in reversed(inspect.getmro(target)) if inspect.isclass(target) else (target,):
        if not base.__module__.startswith("fer."):
            continue
        scope = dict(vars(sys.modules[base.__module__]))
        for argument, parameter in inspect.signature(base).parameters.items():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            with suppress(NameError):  # An object that no YAML file holds.
                found[argument] = eval(parameter.annotation, scope)  # noqa: S307 - our own text
    return found


@cache
def _adapter(kind: Any) -> TypeAdapter[Any] | None:
    config = ConfigDict(allow_inf_nan=False, strict=True)
    try:
        return TypeAdapter(kind, config=config)
    except PydanticUserError:
        return None  # An object that no YAML file holds.


#: Pydantic's errors about values of the right type.
_RANGES: Final = {
    "greater_than", "greater_than_equal", "less_than", "less_than_equal", "too_short", "too_long",
}  # fmt: skip


def _issue(key: str, value: Any, kind: Any) -> ConfigIssue | None:
    """Check a value by an annotation, as strictly as JSON allows: lists may be tuples."""
    if (adapter := _adapter(kind)) is None:
        return None
    text = json.dumps(value)
    try:
        adapter.validate_json(text)
    except ValidationError as error:
        messages, kinds = [], {wrong["type"] for wrong in error.errors()}
        for wrong in error.errors():
            place = "".join(f"[{i}]" for i in wrong["loc"] if isinstance(i, int))
            message = wrong["msg"]
            for theirs, ours in _WORDS.items():
                message = message.replace(theirs, ours)
            messages.append(f"{place} {message}".strip())
        needed = " or ".join(dict.fromkeys(messages)).replace(" or must be", " or")
        code = "out_of_range" if kinds <= _RANGES else "invalid_value"
        return ConfigIssue(code, key, f"{needed}, not {text}")
    return None
