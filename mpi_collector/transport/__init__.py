"""How the nodes of a run are reached: this host, MPI ranks, ssh sessions."""
