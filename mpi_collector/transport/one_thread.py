"""numpy without the threads that libraries under it start when they are imported.

They are one for each core, with memory of its own, and nothing here would use them; under a limit
on processes or memory the import fails instead. For processes of this package only: what a user's
program imports is its own affair.
"""

from __future__ import annotations

import os

ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1",
    "GOTO_NUM_THREADS": "1",
    "BLIS_NUM_THREADS": "1",
}


def import_numpy() -> None:
    """Import numpy; the environment, which is COMMAND's, is afterwards as it was before.

    ImportError when it cannot be imported.
    """
    before = {name: os.environ.get(name) for name in ONE_THREAD}
    os.environ.update(ONE_THREAD)
    try:
        import numpy  # noqa: F401
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
