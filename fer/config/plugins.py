"""What starts the runs of a sweep: Hydra's plugins, and the extras that bring them."""

from __future__ import annotations

from typing import Final

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.types import Override

from fer.config.problems import Problem, nearest

#: The extra of each launcher that does not come with Hydra.
EXTRAS: Final = {
    "joblib": "launchers",
    "submitit_local": "launchers",
    "submitit_slurm": "launchers",
    "ray": "launcher-ray",
}


def missing_plugin(override: Override) -> list[Problem]:
    """Say what is wrong with a choice of launcher or sweeper, if any is; Hydra is initialised.

    Args:
        override: one of Hydra's own.
    """
    group, text = override.key_or_group, override.input_line or ""
    if group not in ("hydra/launcher", "hydra/sweeper"):
        return []
    chosen = str(override.value())
    there = GlobalHydra.instance().config_loader().get_group_options(group)
    if chosen in there:
        return []
    if group == "hydra/sweeper":
        return [Problem(text, "searches are made by python -m fer.search (docs/scale.md)")]
    if chosen in EXTRAS:
        extra = EXTRAS[chosen]
        what = f"needs the extra {extra}: pip install '.[train,{extra}]'"
        return [Problem(text, what)]
    known = sorted({*there, *EXTRAS})
    hint = nearest(chosen, known) or f"; there are {', '.join(known)}"
    return [Problem(text, f"there is no launcher {chosen!r}{hint}")]
