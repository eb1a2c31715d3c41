"""``python -m mpi_collector``."""

from mpi_collector.cli.main import program

if __name__ == "__main__":
    program()
