"""The answer of a host that is asked whether ranks of ours can run there.

It imports what a rank imports.
"""

from __future__ import annotations

import json
import platform
import sys

from mpi_collector._version import __version__
from mpi_collector.errors import MissingMPIError
from mpi_collector.node.host.identity import identity, identity_text

#: begins the line of an answer; a version and the identity of the host follow
ANSWER_MARK = "mpi_collector is here"
#: begins the line of the versions there, as JSON: {name: version}
VERSIONS_MARK = "mpi_collector found"


def answer() -> None:
    """Print the answer of this host; exit with what is missing on stderr if a rank cannot run."""
    try:
        import numpy

        from mpi_collector.transport.ranks.world import World, mpi4py_version
    except MissingMPIError as e:
        sys.exit(f"mpi_collector: {e}")
    versions = {
        "Python": platform.python_version(),
        "numpy": numpy.__version__,
        "mpi4py": mpi4py_version(),
        "MPI": World.library(),
    }
    print(ANSWER_MARK, __version__, identity_text(identity()))
    print(VERSIONS_MARK, json.dumps(versions))
