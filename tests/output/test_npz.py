"""The writer of the recording: a zip whose members come one after the other."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np

from mpi_collector.node.table.npy import json_member
from mpi_collector.output.npz import NpzWriter, json_of


def test_directory_of_the_zip_after_a_rollback() -> None:
    """A host that is dropped leaves no entry; the meta data can be read as it passes."""
    file = io.BytesIO()
    writer = NpzWriter(file)
    member = json_member("a/meta", {"é": [1, 2]})
    writer.add([member])
    mark = writer.mark()
    writer.add([json_member("b/meta", {}), json_member("b/more", {})])
    writer.rollback(mark)
    writer.add([json_member("c/meta", {"c": 3})])
    writer.finish({"hosts": []})
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["a/meta.npy", "c/meta.npy", "run.npy", "README.npy"]
    file.seek(0)
    assert json.loads(str(np.load(file)["c/meta"])) == {"c": 3}
    assert json_of(b"".join(member.chunks)) == {"é": [1, 2]}
    assert json_of(b"") == {}
