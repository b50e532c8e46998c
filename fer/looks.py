"""Moved to :mod:`fer.core.holdout_access`."""

from fer.core.holdout_access import (
    ACCESS_LOG,
    FER2013_TEST,
    count_test_accesses,
    describe_test_accesses,
    record_test_access,
    run_folder_of,
)

LOOKS = ACCESS_LOG
PRIVATE = FER2013_TEST
looks_at_test = count_test_accesses
looks_line = describe_test_accesses
count_look = record_test_access
run_of = run_folder_of

__all__ = ["LOOKS", "PRIVATE", "count_look", "looks_at_test", "looks_line", "run_of"]
