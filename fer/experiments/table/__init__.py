"""The table of all model families: its runs, and what they have measured."""
