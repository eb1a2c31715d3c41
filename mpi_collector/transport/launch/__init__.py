"""MPI launchers: what is known of each, the one to use, and the launch of the collectors."""

from mpi_collector.errors import LauncherError
from mpi_collector.transport.launch.command_line import (
    LaunchCommand,
    build_launch_command,
    rank_variables,
    with_user,
)
from mpi_collector.transport.launch.find import (
    FoundLauncher,
    detect_launcher,
    identify,
    own_library,
)
from mpi_collector.transport.launch.profiles import (
    LIBRARIES,
    PROFILES,
    Library,
    Profile,
    hostfile_text,
    library_of,
)

__all__ = [
    "LIBRARIES",
    "PROFILES",
    "FoundLauncher",
    "LaunchCommand",
    "LauncherError",
    "Library",
    "Profile",
    "detect_launcher",
    "hostfile_text",
    "identify",
    "build_launch_command",
    "library_of",
    "own_library",
    "rank_variables",
    "with_user",
]
