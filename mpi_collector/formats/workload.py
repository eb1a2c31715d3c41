"""What COMMAND says of its workload: model, parameters, number of processes.

Parameters are words ``name=value`` as DLIO takes them, by the grammar of Hydra
(https://hydra.cc/docs/advanced/override_grammar/basic/), or those of the suite's own command line.
"""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from mpi_collector.formats.suite_command import SuiteCommand, suite_command
from mpi_collector.launchers import PROGRAMS

_ACCELERATED = re.compile(r"(.+)_([a-z]+[0-9]{2,4}[a-z]*)")  #: unet3d_h100
_COUNTS = ("-np", "-n", "--np", "--n", "--ntasks")
_COUNT = re.compile(r"(?:-n|-np=|-n=|--np=|--n=|--ntasks=)([0-9]+)")
#: a word that sets a parameter; ~ before the name deletes it
_OVERRIDE = re.compile(r"(\+{0,2}|~)([A-Za-z_][\w.@/-]*)=(.*)", re.DOTALL)
_WORKLOAD = "workload."  #: DLIO's parameters are below this one of Hydra's
_INT = re.compile(r"[+-]?(0|[1-9][0-9_]*)")
_FLOAT = re.compile(
    r"[+-]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*|[0-9][0-9_]*(?=[eE]))([eE][+-]?[0-9]+)?"
)
_WORDS = {"true": True, "false": False, "null": None}
_DEPTH = 8  #: of lists in lists

#: a value of a parameter: JSON
Value = Any
Parameters = dict[str, Value]


class Workload(NamedTuple):
    """What COMMAND says of its workload; None where it says nothing."""

    model: str | None
    accelerator: str | None


def workload_of(command: Sequence[str]) -> Workload:
    """Return both of ``workload=unet3d_h100``, the model of ``--model unet3d``."""
    if suite := suite_command(command):
        return Workload(suite.model, suite.arguments.get("accelerator_type"))
    for word, after in zip(command, [*command[1:], ""]):
        name = ""
        if word.startswith(("workload=", "--model=")):
            name = word.partition("=")[2]
        elif word == "--model":
            name = after
        if name:
            both = _ACCELERATED.fullmatch(name)
            return Workload(both[1], both[2]) if both else Workload(name, None)
    return Workload(None, None)


def processes_of(command: Sequence[str], hosts: int) -> int:
    """Return how many processes COMMAND starts by its launcher's options, else ``hosts``."""
    if suite := suite_command(command):
        return suite.processes or hosts
    words = list(command)
    at = next((i for i, w in enumerate(words) if posixpath.basename(w) in PROGRAMS), None)
    if at is None:
        return hosts
    for word, after in zip(words[at + 1 :], [*words[at + 2 :], ""]):
        if word in _COUNTS and after.isdigit():
            return int(after)
        if found := _COUNT.fullmatch(word):
            return int(found[1])
    return hosts


def overrides_of(command: Sequence[str]) -> Parameters:
    """Return {name: value} of the workload's parameters that COMMAND sets.

    Names are those of DLIO, with dots: ``dataset.num_files_train`` of the word
    ``++workload.dataset.num_files_train=6``. Of a name that is set twice the last value counts;
    ``~workload.NAME`` unsets it. Of the suite's own command: those of ``--params``, and the ones
    that it makes of its other options.
    """
    if suite := suite_command(command):
        return _overrides_of_suite(suite)
    out: Parameters = {}
    for word in command:
        found = _OVERRIDE.fullmatch(word)
        if found is None and word.startswith("~" + _WORKLOAD):
            out.pop(word[1 + len(_WORKLOAD) :], None)
        if found is None or not found[2].startswith(_WORKLOAD):
            continue
        name = found[2].removeprefix(_WORKLOAD)
        out.pop(name, None)
        if name and found[1] != "~":
            out[name] = typed_value(found[3])
    return out


def _overrides_of_suite(suite: SuiteCommand) -> Parameters:
    out: Parameters = {}
    for word in suite.params:
        name, _, value = word.partition("=")
        out[name] = typed_value(value)
    arguments = suite.arguments
    model = suite.model or ""
    if "data_dir" in arguments:
        # the suite appends the model, unless the directory is called so
        path = str(arguments["data_dir"])
        out["dataset.data_folder"] = path if path.endswith(model) else posixpath.join(path, model)
    if "checkpoint_folder" in arguments:
        path = str(arguments["checkpoint_folder"])
        out["checkpoint.checkpoint_folder"] = posixpath.join(path, model)
    for name in ("num_checkpoints_read", "num_checkpoints_write"):
        if name in arguments:
            out[f"checkpoint.{name}"] = arguments[name]
    return out


def parameters_of(command: Sequence[str]) -> Parameters:
    """Return the parameters as the suite has them, nested; of its KV cache benchmark all eight."""
    suite = suite_command(command)
    if suite is not None and suite.benchmark == "kvcache":
        return suite.kv_cache()
    return nested(overrides_of(command))


def nested(flat: Parameters) -> Parameters:
    """Return {"dataset": {"num_files_train": 6}} of {"dataset.num_files_train": 6}.

    A name below one that has a value of its own replaces that value, and the other way round.
    """
    out: Parameters = {}
    for name, value in flat.items():
        *parts, last = name.split(".")
        at = out
        for part in parts:
            if not isinstance(at.get(part), dict):
                at[part] = {}
            at = at[part]
        at[last] = value
    return out


def typed_value(text: str) -> Value:
    """Return the value that Hydra reads from ``text``: number, bool, None, list, dict or text.

    Numbers that JSON cannot hold (``inf``, ``nan``) stay text.
    """
    text = text.strip()
    if text[:1] in ("[", "{") and text[-1:] in ("]", "}"):
        return _collection(text, _DEPTH)
    return _scalar(text)


def _scalar(text: str) -> Value:
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1].replace("\\" + text[0], text[0])
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if _INT.fullmatch(text) and len(text) <= 20:
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


def _collection(text: str, depth: int) -> Value:
    """Return a list ``[a,b]`` or a dict ``{a:1}``; the text itself when it is neither."""
    opening, closing = text[0], text[-1]
    parts = _parts(text[1:-1])
    if depth == 0 or parts is None or opening + closing not in ("[]", "{}"):
        return text
    if opening == "[":
        return [_element(part, depth - 1) for part in parts]
    pairs = [part.partition(":") for part in parts]
    if not all(colon and key.strip() for key, colon, _value in pairs):
        return text
    return {str(_scalar(key.strip())): _element(value, depth - 1) for key, _, value in pairs}


def _element(text: str, depth: int) -> Value:
    text = text.strip()
    return _collection(text, depth) if text[:1] in ("[", "{") else _scalar(text)


def _parts(text: str) -> list[str] | None:
    """Return what stands between the commas of the outermost level; None when it is unbalanced."""
    parts: list[str] = [""]
    closers: list[str] = []
    quote = ""
    for c in text:
        if quote:
            quote = "" if c == quote else quote
        elif c in "'\"":
            quote = c
        elif c in "[{":
            closers.append("]" if c == "[" else "}")
        elif c in "]}" and (not closers or closers.pop() != c):
            return None
        if c == "," and not closers and not quote:
            parts.append("")
        else:
            parts[-1] += c
    if closers or quote:
        return None
    return parts if len(parts) > 1 or parts[0].strip() else []
