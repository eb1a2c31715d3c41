"""``python -m mpi_collector``."""

import sys

from mpi_collector.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
