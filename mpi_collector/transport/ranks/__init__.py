"""Collect over MPI: rank 0 coordinates, one worker rank per node samples."""
