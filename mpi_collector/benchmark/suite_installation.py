"""The installation of MLPerf Storage that this interpreter, or only the PATH, has.

The suite is a distribution ``mlpstorage`` with a program of that name. Its package is
``mlpstorage_py`` since April 2026, and was ``mlpstorage`` before.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from mpi_collector.formats.suite_command import PROGRAM

PACKAGES = ("mlpstorage_py", "mlpstorage")  #: the newer one first: it may bring both
_ENTRY = re.compile(r"^\s*from\s+((mlpstorage(?:_py)?)[\w.]*)\s+import\s+(\w+)", re.MULTILINE)
_VERSION = re.compile(r"(\d+)(\.\d+)*\w*")
_PROJECT = re.compile(r"^version\s*=\s*['\"]([^'\"]+)", re.MULTILINE)
_ASSIGNED = re.compile(r"^(?:VERSION|__version__)\s*=\s*['\"]([^'\"]+)", re.MULTILINE)
_KNOWN_MAJORS = (2, 3)  #: 2.0.0b1 (January 2026) to 3.0.27 (July 2026) were looked at


@dataclass(frozen=True)
class SuiteInstallation:
    """Where the suite is."""

    script: str | None  #: path of its program
    package: str | None  #: that this interpreter can import; None: only the program was found
    module: str = ""  #: of its entry point
    function: str = ""
    version: str | None = None

    @property
    def is_known(self) -> bool:
        """Whether the version is one whose classes can be replaced."""
        found = _VERSION.match(self.version or "")
        return found is not None and int(found[1]) in _KNOWN_MAJORS

    def described(self) -> str:
        """Return name and version for a message."""
        where = f"package {self.package}" if self.package else str(self.script)
        return f"MLPerf Storage {self.version or 'of unknown version'} ({where})"


def find_suite() -> SuiteInstallation | None:
    """Return the installation of the suite, None when there is none."""
    script = suite_program()
    package, module, function = _entry_point(script)
    if package is None and script is None:
        return None
    if package is None:
        return SuiteInstallation(script, None)
    return SuiteInstallation(script, package, module, function, _version(package))


def suite_program() -> str | None:
    """Return the path of the suite's program: of this interpreter, else on the PATH."""
    beside = Path(sys.executable).parent / PROGRAM
    return str(beside) if beside.is_file() else shutil.which(PROGRAM)


def _entry_point(script: str | None) -> tuple[str | None, str, str]:
    """Return package, module and function that the suite's program calls.

    The package is None when this interpreter cannot import it.
    """
    for point in metadata.entry_points(group="console_scripts", name=PROGRAM):
        module, _, function = point.value.partition(":")
        package = module.partition(".")[0]
        if package in PACKAGES and _places(package):
            return package, module, function
    if script is not None:
        found = _ENTRY.search(_text(Path(script)))
        if found and _places(found[2]):
            return found[2], found[1], found[3]
        if found:
            return None, "", ""
    for package in PACKAGES:
        if any((place / "cluster_collector.py").is_file() for place in _places(package)):
            return package, f"{package}.main", "main"
    return None, "", ""


def _places(package: str) -> list[Path]:
    """Return the directories of a package; [] for one that cannot be imported."""
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError, AttributeError):
        return []
    locations = spec.submodule_search_locations if spec else None
    return [Path(place) for place in locations or ()]


def _version(package: str) -> str | None:
    """Return the version: of the source tree that the package lies in, else as it was installed."""
    for place in _places(package):
        text = _text(place.parent / "pyproject.toml")
        if f'name = "{PROGRAM}"' in text and (found := _PROJECT.search(text)):
            return found[1]
        if found := _ASSIGNED.search(_text(place / "__init__.py")):
            return found[1]
    for name in (PROGRAM, package):
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def _text(path: Path) -> str:
    """Return the text of a file, "" when it cannot be read."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""
