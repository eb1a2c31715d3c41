"""Figures over time in other programs' formats, one format a module.

Each module has ``write(figures, about, file)``. ``figures``: the hosts and what they did, host
after host; ``about``: what is known of the run (``output.about``).
"""
