"""What a session leaves: the group's timeline as a table, and a page that shows it."""

from fer.live.report.files import check_session_folder, write_session
from fer.live.report.record import Record

__all__ = ["Record", "check_session_folder", "write_session"]
