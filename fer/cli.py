"""The ``fer`` command."""

import sys

from fer.commands.app import main

if __name__ == "__main__":
    sys.exit(main())
