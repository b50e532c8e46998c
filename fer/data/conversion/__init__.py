"""From pictures or a table to a set that training streams: ``fer data convert``."""
