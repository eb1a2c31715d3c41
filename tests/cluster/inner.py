"""A small MPI program to run inside a recording: says where it ran, on stdout, and exits 7."""

import socket
import sys

from mpi4py import MPI

names = MPI.COMM_WORLD.gather(socket.gethostname(), root=0)
if MPI.COMM_WORLD.Get_rank() == 0:
    sys.stdout.buffer.write(
        " ".join(names).encode() + b"\n" + bytes(range(256)) + b"no newline at the end"
    )
    sys.stdout.buffer.flush()
MPI.Finalize()
sys.exit(7)
