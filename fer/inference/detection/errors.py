"""The error of face detectors."""

from fer.core.errors import UserError


class DetectorError(UserError):
    """A detector can't be used; the message says why and what to do."""
