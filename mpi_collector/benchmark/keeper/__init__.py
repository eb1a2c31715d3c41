"""The results directory of a run, in the hands of a process of its own: the keeper.

While a job runs its storage may hang, fail or vanish, and the results directory with it. A thread
that waits in the kernel for such a file system cannot be ended, nor can its process: so nothing in
this process touches the directory. What hangs or dies is the keeper, which can be abandoned.
"""
