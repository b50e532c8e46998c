"""Where the configuration files are."""

from __future__ import annotations

from pathlib import Path

import yaml


def conf_folder() -> Path:
    """Return the folder of YAML files: inside the package when installed, beside it in a checkout.

    Raises:
        FileNotFoundError: the installation is damaged.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "conf", package.parent / "conf"):
        if (folder / "train.yaml").is_file():
            return folder
    raise FileNotFoundError(f"no conf folder in or beside {package}: the installation is damaged")


def groups_of(name: str) -> list[str]:
    """Return the groups that the configuration ``conf/NAME.yaml`` chooses from."""
    text = (conf_folder() / f"{name}.yaml").read_text(encoding="utf-8")
    lines = yaml.safe_load(text)["defaults"]
    groups = {group for line in lines if isinstance(line, dict) for group in line}
    # A configuration may begin with another one.
    bases = (line for line in lines if isinstance(line, str) and line != "_self_")
    return sorted(groups.union(*map(groups_of, bases)))
