"""What runs on every node: kernel files, layout, sampler, spool.

Standard library only, Python 3.6 and newer: this folder is also what is sent to a host that has
nothing but ``python3``.
"""
