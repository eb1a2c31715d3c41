"""The summary on a terminal, or as plain text where there is none."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mpi_collector.formats.run_document import RunDocument
from mpi_collector.report.device_tables import (
    TextTable,
    device_tables,
    left_out,
    not_counted,
    phase_table,
)
from mpi_collector.report.figure_tables import host_columns, shown_in_tables
from mpi_collector.report.quantity import NOTHING, duration, number, quantity, ranges, scale
from mpi_collector.report.summary_document import (
    FigureInfo,
    HostSpread,
    HostSummary,
    OutlierValues,
    SummaryDocument,
)
from mpi_collector.store.figures.figure import Group
from mpi_collector.terminal_text import cut_in_the_middle, safe_text

MANY_HOSTS = 32  #: more hosts have no table of hosts
_REASONS = 20
_OUTLIERS = 12
_GROUPS = 8  #: of hosts that count the same devices
_NAMED = 3  #: hosts in a line
_PLAIN_WIDTH = 120  #: columns without a terminal
_STYLES = {"complete": "bold green", "partial": "bold yellow", "invalid": "bold red"}


class TextWriter:
    """Writes lines and tables to a file, as wide as its terminal or ``width`` columns.

    Nothing that a terminal would interpret is written. Text that comes from a recording passes
    through ``name`` besides, so that it stays in its line.
    """

    def __init__(self, file: TextIO, width: int | None = None) -> None:
        encoding = getattr(file, "encoding", None) or "ascii"
        self._ascii = not encoding.lower().replace("-", "").startswith("utf")
        self._terminal = bool(getattr(file, "isatty", lambda: False)())
        if width is None and not self._terminal:
            width = _PLAIN_WIDTH
        self._console = Console(
            file=file, width=width, highlight=False, markup=False, emoji=False, soft_wrap=False
        )

    def name(self, text: object) -> str:
        """Return text of a recording without anything that a terminal would interpret."""
        return safe_text(text, ascii_only=self._ascii)

    def line(self, text: str, style: str = "") -> None:
        """Print a line, wrapped on a terminal only."""
        self._console.print(Text(self._encodable(text), style=style), soft_wrap=not self._terminal)

    def table(self, headings: list[str], rows: list[list[str]]) -> None:
        """Print a table, its first column left, the others right aligned.

        Where the lines are too short for all columns, it is printed in several parts.
        """
        cells = [[self._encodable(c) for c in column] for column in zip(headings, *rows)]
        for part in self._parts(cells):
            out = Table(box=None, pad_edge=False, padding=(0, 1))
            for n in (0, *part):
                side: Literal["left", "right"] = "right" if n else "left"
                out.add_column(Text(cells[n][0]), justify=side, no_wrap=True, vertical="bottom")
            for line in zip(*(cells[n][1:] for n in (0, *part))):
                out.add_row(*map(Text, line))
            self._console.print(out)
            self._console.print()

    def _parts(self, cells: list[list[str]]) -> list[list[int]]:
        """Return the columns of each part, beside the first column, which every part has."""
        widths = [max(len(line) for c in column for line in c.split("\n")) + 2 for column in cells]
        parts: list[list[int]] = [[]]
        for n in range(1, len(cells)):
            width = widths[0] + sum(widths[i] for i in parts[-1]) + widths[n]
            if parts[-1] and width > self._console.width + 2:
                parts.append([])
            parts[-1].append(n)
        return parts

    def _encodable(self, text: str) -> str:
        shown = text.replace("µ", "u") if self._ascii else text
        return safe_text(shown, keep="\n", ascii_only=self._ascii)


def print_verdict(run: RunDocument, line: str, out: TextWriter) -> None:
    """Print the verdict and its reasons. ``line``: the verdict in one line."""
    verdict = run["verdict"]
    reasons = verdict["reasons"]
    out.line(line, _STYLES.get(verdict["verdict"], ""))
    for reason in reasons[:_REASONS]:
        out.line(f"  {out.name(reason)}")
    if len(reasons) > _REASONS:
        out.line(f"  and {len(reasons) - _REASONS} more reasons (--json lists them)")


def print_remarks(remarks: list[str], out: TextWriter) -> None:
    """Print what goes with the verdict, whatever it is."""
    for remark in remarks[:_REASONS]:
        out.line(f"  remark: {out.name(remark)}")
    if len(remarks) > _REASONS:
        out.line(f"  and {len(remarks) - _REASONS} more remarks (--json lists them)")


def render(doc: SummaryDocument, out: TextWriter) -> None:
    """Print everything but the verdict and the limit."""
    _facts(doc, out)
    out.line("")
    if not doc["cluster"]:
        out.line("too few rows for any figure")
        return
    hosts = doc["hosts"]
    _cluster(doc, out, named=len(hosts) > MANY_HOSTS)
    if 1 < len(hosts) <= MANY_HOSTS:
        for group in Group:
            _hosts(doc, group, out)
    if table := phase_table(doc):
        _text_table(table, out)
    for device_table in device_tables(doc):
        _text_table(device_table, out)
    for text in not_counted(doc):
        out.line(out.name(text))
    _findings(doc, out)
    _busiest(doc, out)
    _counted(hosts, out)
    for note in doc["notes"]:
        out.line(f"note: {out.name(note)}")
    for key, host in list(hosts.items())[:MANY_HOSTS]:
        for note in host["notes"]:
            out.line(f"note: {out.name(key)}: {out.name(note)}")


def _text_table(table: TextTable, out: TextWriter) -> None:
    out.table(table.headings, [[out.name(cell) for cell in row] for row in table.rows])


def _busiest(doc: SummaryDocument, out: TextWriter) -> None:
    """Print which disk and which CPU were the busiest, with the host where there are several."""
    for title, device in (("busiest disk", doc["busiest"]), ("busiest CPU", doc["busiest_cpu"])):
        if device is not None:
            where = f" on {device['host']}" if len(doc["hosts"]) > 1 else ""
            out.line(out.name(f"{title}: {device['name']}{where}"))


def _facts(doc: SummaryDocument, out: TextWriter) -> None:
    run = doc["run"]
    begun = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(run["start_ns"] / 1e9))
    words = [
        str(run["run"]),
        begun,
        duration(doc["span_s"]),
        f"every {run['interval_ns'] / 1e9:g} s",
        f"ended by {run['ended_by']}",
    ]
    if run.get("command"):
        code = run.get("command_exit_code")
        known = "not known" if code is None else code
        words.append(f"{cut_in_the_middle(' '.join(run['command']))} (exit code {known})")
    out.line(out.name(", ".join(words)))


def _cluster(doc: SummaryDocument, out: TextWriter, named: bool) -> None:
    """Print a line per figure. ``named``: with the names of the lowest and the highest host."""
    several = len(doc["hosts"]) > 1
    headings = [f"{len(doc['hosts'])} hosts" if several else "", "mean", "peak"]
    headings += ["host min", "median", "max"] if several else []
    rows = []
    for name, about in doc["figures"].items():
        total = doc["cluster"].get(name)
        if total is None or not shown_in_tables(name, total["peak"]):
            continue
        unit = about["unit"]
        row = [about["label"] + (", total" if several and about["across"] == "sum" else "")]
        row += [quantity(total["mean"], unit), quantity(total["peak"], unit)]
        if several:
            row += _spread(doc["spread"].get(name), unit, named, out.name)
        rows.append(row)
    out.table(headings, rows)


def _spread(
    spread: HostSpread | None, unit: str, named: bool, safe_name: Callable[[object], str]
) -> list[str]:
    """Return the cells of the lowest, the median and the highest host."""
    if spread is None:
        return [NOTHING] * 3
    lowest = quantity(spread["minimum"], unit)
    highest = quantity(spread["maximum"], unit)
    if named and spread["minimum"] != spread["maximum"]:
        lowest = f"{safe_name(spread['minimum_host'])} {lowest}"
        highest = f"{safe_name(spread['maximum_host'])} {highest}"
    return [lowest, quantity(spread["median"], unit), highest]


def _hosts(doc: SummaryDocument, group: Group, out: TextWriter) -> None:
    """Print the table of hosts of one group of figures. A column's unit stands in its heading."""
    hosts = doc["hosts"]
    headings = ["host"]
    cells = [[out.name(k)] for k in hosts]
    for figure, column in host_columns(group):
        if figure.name not in doc["cluster"]:
            continue
        of_hosts = [h["figures"].get(figure.name) for h in hosts.values()]
        values = [None if f is None else f[column.value] for f in of_hosts]
        unit, by = scale(figure.unit, max((v for v in values if v is not None), default=0.0))
        heading = column.heading
        headings.append(f"{heading}/{unit}".replace("/", "\n", 1 + heading.count("/")))
        for row, value in zip(cells, values):
            row.append(number(value, by))
    if len(headings) > 1:
        out.table(headings, cells)


def _findings(doc: SummaryDocument, out: TextWriter) -> None:
    """Print what was at its limit, and the hosts that stand out."""
    for text in limit_texts(doc):
        out.line(text)
    by_host = outlier_texts(doc)
    for host, texts in list(by_host.items())[:_OUTLIERS]:
        out.line(f"{out.name(host)}: {', '.join(texts)}")
    if len(by_host) > _OUTLIERS:
        out.line(f"and {len(by_host) - _OUTLIERS} more hosts that stand out (--json lists them)")
    if doc["limits"] or by_host:
        out.line("")


def limit_texts(doc: SummaryDocument) -> list[str]:
    """Return a sentence for each figure that was at its limit for a good part of the time."""
    out = []
    for x in doc["limits"]:
        where = f" on {x['hosts']} of {len(doc['hosts'])} hosts" if len(doc["hosts"]) > 1 else ""
        label = doc["figures"][x["figure"]]["label"]
        share = f"{100 * x['share']:.0f} % of the time"
        out.append(f"{label} at {x['at_least']:g} % or more during {share}{where}")
    return out


def outlier_texts(doc: SummaryDocument) -> dict[str, list[str]]:
    """Return {host: what stands out about it}, the worst host first."""
    out: dict[str, list[str]] = {}
    for outlier in doc["outliers"]:
        texts = out.setdefault(outlier["host"], [])
        texts.append(_outlier_text(outlier, doc["figures"][outlier["figure"]], first=not texts))
    return out


def _outlier_text(outlier: OutlierValues, figure: FigureInfo, first: bool) -> str:
    """Return ``read 0.41 x the median host (0.65 GB/s)``; for all but the first ``read 0.41 x``."""
    label = figure["label"]
    value = quantity(outlier["value"], figure["unit"])
    if figure["unit"] == "%" or not outlier["ratio"]:
        median = quantity(outlier["median"], figure["unit"])
        return f"{label} {value} (median {'host ' if first else ''}{median})"
    return f"{label} {outlier['ratio']:.2f} x" + (f" the median host ({value})" if first else "")


def _counted(hosts: dict[str, HostSummary], out: TextWriter) -> None:
    """Print which devices the totals count, hosts with the same devices together."""
    for table, title in (("block", "disks counted"), ("net", "interfaces counted")):
        groups: dict[str, list[str]] = {}
        for key, host in hosts.items():
            counted = ranges(host["counted"][table]) or "none"
            why_not = left_out(host["left_out"][table])
            text = f"{counted} (by {host['counted_by'][table]}); not counted: {why_not}"
            groups.setdefault(text, []).append(key)
        for text, keys in list(groups.items())[:_GROUPS]:
            where = "" if len(groups) == 1 else f" on {_some(keys)}"
            out.line(f"{title}{out.name(where)}: {out.name(text)}")
        if len(groups) > _GROUPS:
            out.line(f"{title}: {len(groups) - _GROUPS} more groups of hosts (--json lists them)")


def _some(keys: list[str]) -> str:
    return ", ".join(keys) if len(keys) <= _NAMED else f"{len(keys)} hosts ({keys[0]}, ...)"
