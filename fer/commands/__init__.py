"""What ``fer COMMAND`` does; modules here import nothing heavy, so that ``--help`` stays fast."""
