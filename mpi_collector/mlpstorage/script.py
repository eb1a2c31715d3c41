"""The program that prints one sample of a host: for ``python3 -c``, 3.6 or newer, without us."""

from __future__ import annotations

import base64
import json
import zlib
from importlib.resources import files

_PACKAGE = "mpi_collector.node.host.snapshot"
_MODULES = ("proc", "sample")  #: the second imports the first
#: makes a package of the sources in the text, and calls it. No quote that a shell would end at.
_PROGRAM = """\
import base64, json, sys, types, zlib
sources = json.loads(zlib.decompress(base64.b64decode("{text}")).decode())
package = types.ModuleType("host")
package.__path__ = []
sys.modules["host"] = package
for name in ("proc", "sample"):
    module = types.ModuleType("host." + name)
    module.__package__ = "host"
    sys.modules["host." + name] = module
    setattr(package, name, module)
    exec(compile(sources[name], name, "exec"), module.__dict__)
print(json.dumps(package.sample.one_sample()))
"""


def _script() -> str:
    sources = {name: (files(_PACKAGE) / f"{name}.py").read_text("utf-8") for name in _MODULES}
    packed = zlib.compress(json.dumps(sources).encode(), 9)
    return _PROGRAM.format(text=base64.b64encode(packed).decode())


TIMESERIES_SSH_SCRIPT = _script()
