"""Many trainings: the table of model families and searches, by one runner."""
