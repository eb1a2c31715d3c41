"""The summary on a terminal, or as plain text where there is none."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mpi_collector.formats.run_document import RunDocument
from mpi_collector.report.quantity import duration, number, quantity, ranges, scale
from mpi_collector.terminal_text import safe_text

MANY = 32  #: hosts; beyond that no table of hosts
_REASONS = 20
_OUTLIERS = 12
_PLAIN_WIDTH = 120  #: without a terminal
_COLOURS = {"complete": "bold green", "partial": "bold yellow", "invalid": "bold red"}

#: the tables of hosts: heading / figure / which of its values; a slash in a heading is a new line
_STORAGE = """
read           | read_bytes_per_s        | mean
peak           | read_bytes_per_s        | peak
write          | write_bytes_per_s       | mean
peak           | write_bytes_per_s       | peak
read/IOPS      | read_iops               | mean
write/IOPS     | write_iops              | mean
read/took      | read_latency_ms         | mean
write/took     | write_latency_ms        | mean
busiest/device | utilisation_max_percent | mean
queue          | queue_depth             | mean
"""
_SYSTEM = """
CPU/busy    | cpu_busy_percent   | mean
peak        | cpu_busy_percent   | peak
iowait      | cpu_iowait_percent | mean
memory/peak | memory_used_bytes  | peak
page/cache  | page_cache_bytes   | mean
dirty/peak  | dirty_bytes        | peak
net/in      | net_rx_bytes_per_s | mean
peak        | net_rx_bytes_per_s | peak
net/out     | net_tx_bytes_per_s | mean
peak        | net_tx_bytes_per_s | peak
"""


class TextWriter:
    """Writes to ``file``, as wide as its terminal, or ``width``. Every name is data: ``name`` makes it harmless."""

    def __init__(self, file: TextIO, width: int | None = None) -> None:
        self.ascii = (
            not (getattr(file, "encoding", None) or "ascii")
            .lower()
            .replace("-", "")
            .startswith("utf")
        )
        self.terminal = bool(getattr(file, "isatty", lambda: False)())
        if width is None and not self.terminal:
            width = _PLAIN_WIDTH
        self.console = Console(
            file=file, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False
        )

    def name(self, text: object) -> str:
        return safe_text(text, ascii_only=self.ascii)

    def line(self, text: str, style: str = "") -> None:
        """A line of our own words and cleaned names; wrapped on a terminal only."""
        shown = text.replace("µ", "u") if self.ascii else text
        self.console.print(Text(shown, style=style), soft_wrap=not self.terminal)

    def table(self, headings: list[str], rows: list[list[str]]) -> None:
        """First column left, the others right; in several parts where the lines are too short for all columns."""
        cells = [[self._plain(c) for c in column] for column in zip(headings, *rows)]
        widths = [max(len(line) for c in column for line in c.split("\n")) + 2 for column in cells]
        parts: list[list[int]] = [[]]
        for n in range(1, len(cells)):
            if (
                parts[-1]
                and widths[0] + sum(widths[i] for i in parts[-1]) + widths[n]
                > self.console.width + 2
            ):
                parts.append([])
            parts[-1].append(n)
        for part in parts:
            out = Table(box=None, pad_edge=False, padding=(0, 1))
            for n in (0, *part):
                heading = Text(cells[n][0])
                out.add_column(
                    heading, justify="right" if n else "left", no_wrap=True, vertical="bottom"
                )
            for line in zip(*(cells[n][1:] for n in (0, *part))):
                out.add_row(*map(Text, line))
            self.console.print(out)
            self.console.print()

    def _plain(self, text: str) -> str:
        return text.replace("µ", "u") if self.ascii else text


def print_verdict(run: RunDocument, line: str, out: TextWriter) -> None:
    """The verdict and its reasons. ``line``: the verdict in one line."""
    v = run["verdict"]
    out.line(line, _COLOURS.get(v["verdict"], ""))
    for reason in v["reasons"][:_REASONS]:
        out.line(f"  {out.name(reason)}")
    if len(v["reasons"]) > _REASONS:
        out.line(f"  and {len(v['reasons']) - _REASONS} more reasons (--json lists them)")


def render(doc: dict[str, Any], out: TextWriter) -> None:
    """Everything but the verdict."""
    _facts(doc, out)
    out.line("")
    if not doc["cluster"]:
        out.line("too few rows for any figure")
        return
    hosts = doc["hosts"]
    _cluster(doc, out, len(hosts) > MANY)
    if 1 < len(hosts) <= MANY:
        _hosts(doc, _STORAGE, out)
        _hosts(doc, _SYSTEM, out)
    _findings(doc, out)
    _counted(hosts, out)
    for note in doc["notes"]:
        out.line(f"note: {out.name(note)}")
    for key, host in list(hosts.items())[:MANY]:
        for note in host["notes"]:
            out.line(f"note: {out.name(key)}: {out.name(note)}")


def _facts(doc: dict[str, Any], out: TextWriter) -> None:
    run = doc["run"]
    begun = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(run["start_ns"] / 1e9))
    words = [str(run["run"]), begun, duration(doc["span_s"]), f"every {run['interval_ns'] / 1e9:g} s",
             f"ended by {run['ended_by']}"]  # fmt: skip
    if run.get("command"):
        code = run.get("command_exit_code")
        words.append(f"{' '.join(run['command'])} (exit code {code})")
    out.line(out.name(", ".join(words)))


def _cluster(doc: dict[str, Any], out: TextWriter, named: bool) -> None:
    """Figure by figure; with several hosts, how they spread. ``named``: say which are the least and the greatest."""
    several = len(doc["hosts"]) > 1
    headings = [f"{len(doc['hosts'])} hosts" if several else "", "mean", "peak"]
    headings += ["host min", "median", "max"] if several else []
    rows = []
    for name, about in doc["figures"].items():
        total = doc["cluster"].get(name)
        if total is None or (name == "cpu_steal_percent" and not total["peak"]):
            continue
        unit = about["unit"]
        row = [about["label"] + (", total" if several and about["across"] == "sum" else "")]
        row += [quantity(total["mean"], unit), quantity(total["peak"], unit)]
        if several:
            row += _spread(doc["spread"].get(name), unit, named, out.name)
        rows.append(row)
    out.table(headings, rows)


def _spread(
    s: dict[str, Any] | None, unit: str, named: bool, clean_name: Callable[[object], str]
) -> list[str]:
    if s is None:
        return ["-"] * 3
    least, most = quantity(s["minimum"], unit), quantity(s["maximum"], unit)
    if named and s["minimum"] != s["maximum"]:
        least, most = (
            f"{clean_name(s['minimum_host'])} {least}",
            f"{clean_name(s['maximum_host'])} {most}",
        )
    return [least, quantity(s["median"], unit), most]


def _hosts(doc: dict[str, Any], columns: str, out: TextWriter) -> None:
    """A table of hosts; the numbers of a column share their unit, which stands in its heading."""
    hosts = doc["hosts"]
    headings, cells = ["host"], [[out.name(k)] for k in hosts]
    for heading, figure, which in (
        [c.strip() for c in line.split("|")] for line in columns.strip().splitlines()
    ):
        if figure not in doc["cluster"]:
            continue
        values = [h["figures"].get(figure, {}).get(which) for h in hosts.values()]
        unit, by = scale(
            doc["figures"][figure]["unit"], max((v for v in values if v is not None), default=0.0)
        )
        headings.append(f"{heading}/{unit}".replace("/", "\n", 1 + heading.count("/")))
        for row, value in zip(cells, values):
            row.append(number(value, by))
    if len(headings) > 1:
        out.table(headings, cells)


def _findings(doc: dict[str, Any], out: TextWriter) -> None:
    figures = doc["figures"]
    for x in doc["limits"]:
        where = f" on {x['hosts']} of {len(doc['hosts'])} hosts" if len(doc["hosts"]) > 1 else ""
        out.line(f"{figures[x['figure']]['label']} at {x['at_least']:g} % or more during "
                 f"{100 * x['share']:.0f} % of the time{where}")  # fmt: skip
    by_host: dict[str, list[str]] = {}
    for o in doc["outliers"]:
        texts = by_host.setdefault(o["host"], [])
        texts.append(outlier_text(o, figures[o["figure"]], not texts))
    for host, texts in list(by_host.items())[:_OUTLIERS]:
        out.line(f"{out.name(host)}: {', '.join(texts)}")
    if len(by_host) > _OUTLIERS:
        out.line(f"and {len(by_host) - _OUTLIERS} more hosts that stand out (--json lists them)")
    if doc["limits"] or by_host:
        out.line("")


def outlier_text(o: dict[str, Any], figure: dict[str, Any], whole: bool = True) -> str:
    """``read 0.41 x the median host (0.65 GB/s)``; in short: ``read 0.41 x``."""
    value, median = quantity(o["value"], figure["unit"]), quantity(o["median"], figure["unit"])
    if figure["unit"] == "%" or not o["ratio"]:
        return f"{figure['label']} {value} (median {'host ' if whole else ''}{median})"
    return f"{figure['label']} {o['ratio']:.2f} x" + (
        f" the median host ({value})" if whole else ""
    )


def _counted(hosts: dict[str, Any], out: TextWriter) -> None:
    """What the totals are made of, hosts with the same devices together."""
    for table, title in (("block", "disks counted"), ("net", "interfaces counted")):
        groups: dict[str, list[str]] = {}
        for key, host in hosts.items():
            counted, left = (
                ranges(host["counted"][table]) or "none",
                ranges(host["left_out"][table]) or "none",
            )
            groups.setdefault(
                f"{counted} (by {host['counted_by'][table]}); not: {left}", []
            ).append(key)
        for text, keys in list(groups.items())[:8]:
            where = "" if len(groups) == 1 else f" on {_some(keys)}"
            out.line(f"{title}{out.name(where)}: {out.name(text)}")
        if len(groups) > 8:
            out.line(f"{title}: {len(groups) - 8} more groups of hosts (--json lists them)")


def _some(keys: list[str]) -> str:
    return ", ".join(keys) if len(keys) <= 3 else f"{len(keys)} hosts ({keys[0]}, ...)"
