"""What a session leaves: the group's timeline as a table, and a page that shows it."""

from fer.reporting.session.files import check_session_folder, write_session
from fer.reporting.session.record import Record

__all__ = ["Record", "check_session_folder", "write_session"]
