"""Pages and figures for people: an evaluation, a session of a group, the check of a data set."""
