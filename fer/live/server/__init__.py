"""The live page and its server; needs the extra ``serve``."""

from fer.live.server.app import make_app
from fer.live.server.running import run
from fer.live.server.settings import Settings, check_settings

__all__ = ["Settings", "check_settings", "make_app", "run"]
