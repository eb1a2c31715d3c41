"""The command lines of this program, which must not be taken for the job's."""

_SCRIPTS = (b"mpi_collector", b"mpi-collector")
_INSTALLED = tuple(b"/bin/" + name for name in _SCRIPTS)
#: in the programs of ranks that this program launches, of its other processes, and of an agent
_PROGRAMS = (
    b"mpi_collector.cli.main",
    b"mpi_collector.benchmark.keeper.process",
    b"mpi_collector.benchmark.child_recorder",
    b"mpi_collector.transport.child",
    b"exec(r(int(r(8))))",
)


def is_collector(words: "list[bytes]") -> bool:
    """Return whether a command line is the collector's.

    The ranks and their launcher have the words of the command, and so the pattern, in theirs.
    """
    pairs = zip(words, words[1:])  # noqa: RUF007 - Python 3.6 has no pairwise
    if (b"-m", b"mpi_collector") in pairs or any(
        w.endswith(_INSTALLED) or any(program in w for program in _PROGRAMS) for w in words
    ):
        return True
    # by its bare name behind a launcher; as an argument of a Python program it is a directory
    is_python = bool(words) and words[0].rpartition(b"/")[2].startswith(b"python")
    return not is_python and any(w in _SCRIPTS for w in words)
