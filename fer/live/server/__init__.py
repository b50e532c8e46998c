"""The live page and its server; needs the extra ``serve``."""

from fer.live.server.app import make_app
from fer.live.server.settings import Settings, bind_socket, check_settings, is_loopback
from fer.live.server.transport import run

__all__ = ["Settings", "bind_socket", "check_settings", "is_loopback", "make_app", "run"]
