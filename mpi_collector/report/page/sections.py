"""The page around the charts: verdict, tables of figures, phases, and what was missed.

Text is escaped by the templates (``templates``). These sections need no script.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timezone

from markupsafe import Markup

from mpi_collector.formats.run_document import RunDocument
from mpi_collector.formats.verdict import incomplete, no_room
from mpi_collector.node.table.facts import HostFacts
from mpi_collector.report.device_tables import device_tables, left_out, phase_table
from mpi_collector.report.figure_tables import by_group, shown_in_tables
from mpi_collector.report.page.data import PageData, PagePhase
from mpi_collector.report.page.templates import in_lines, piece, render
from mpi_collector.report.quantity import NOTHING, duration, quantity, ranges
from mpi_collector.report.summary_document import HostSummary
from mpi_collector.report.text import limit_texts, outlier_texts

_ROWS = 4096  #: of a table; a reader of more has the JSON
_REASONS = 50
_VALUES = ("mean", "peak", "lowest", "median", "highest")  #: columns of the tables of figures


def clock(ms: float) -> str:
    """Return a UTC date and time with milliseconds."""
    return datetime.fromtimestamp(ms / 1e3, timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def moment(ms: float) -> Markup:
    """Return a moment that the script shows in UTC or local time."""
    return piece("<time data-ms='{{ ms }}'>{{ text }}</time>", ms=repr(ms), text=clock(ms))


def table(
    head: Iterable[str], rows: Iterable[Iterable[str]], caption: str, text: bool = False
) -> Markup:
    """Return a table; cells and headings are text, or Markup. A wide one scrolls by keyboard too.

    ``text``: columns are text, aligned left, not numbers.
    """
    found = [list(row) for row in rows]
    return render("table.html", head=list(head), rows=found, caption=caption, text=text)


def verdict(run: RunDocument, line: str, remarks: list[str]) -> Markup:
    """Return the verdict, its reasons and its remarks. ``line``: the verdict in one line."""
    v = run["verdict"]
    word = v["verdict"] if v["verdict"] in ("complete", "partial", "invalid") else "invalid"
    return piece(
        "<div class='verdict {{ word }}' role='status'><strong>{{ word }}</strong> – {{ rest }}"
        "{{ reasons }}{{ remarks }}</div>",
        word=word,
        rest=line.partition("(")[2].rstrip(")"),
        reasons=_listed(v["reasons"], "more"),
        remarks=_listed(remarks, "more remarks", "quiet remarks"),
    )


def _listed(items: Sequence[str], rest: str, kind: str = "") -> Markup:
    """Return a list of the first items, and how many ``rest`` there are; nothing without any."""
    more = f"and {len(items) - _REASONS} {rest}" if len(items) > _REASONS else ""
    return render("list.html", items=items[:_REASONS], more=more, kind=kind)


def facts(page: PageData) -> Markup:
    """Return which run this is: short facts beside each other, hosts and command below."""
    run = page.run
    words = run.get("command")
    command = " ".join(words) if words else None
    short = {
        "benchmark": run.get("benchmark"),
        "started": f"{clock(run['start_ns'] / 1e6)[:-4]} UTC",
        "duration": duration(page.summary["span_s"]),
        "sampled": f"every {run['interval_ns'] / 1e9:g} s ({run.get('collection_method')})",
        "ended by": run.get("ended_by"),
        "exit code": run.get("command_exit_code") if command else None,
    }
    long = {"hosts": ranges(page.hosts), "command": command}
    return render("facts.html", short=short, long=long)


def figures(page: PageData) -> Markup:
    """Return the figures of all hosts together and their spread, a table per group."""
    names = [n for n, t in page.summary["cluster"].items() if shown_in_tables(n, t["peak"])]
    if not names:
        return Markup("<p>Too few rows for any figure.</p>")
    head = ["", "mean", "peak"]
    if len(page.hosts) > 1:
        head += ["lowest host", "median", "highest host"]
    return Markup().join(
        table(head, [_figure_row(page, n) for n in some], f"figures of {group.value}")
        for group, some in by_group(names)
    )


def _figure_row(page: PageData, name: str) -> list[str]:
    about = page.summary["figures"][name]
    total = page.summary["cluster"][name]
    several = len(page.hosts) > 1
    unit = about["unit"]
    of_all = ", total" if several and about["across"] == "sum" else ""
    label = piece(
        "<span title='{{ doc }}'>{{ label }}</span>",
        doc=about["doc"],
        label=f"{about['label']}{of_all}",
    )
    cells: list[str] = [quantity(total["mean"], unit), quantity(total["peak"], unit)]
    cells += _spread_cells(page, name, unit) if several else []
    return [label, *(_of_window(name, value, cell) for value, cell in zip(_VALUES, cells))]


def _of_window(name: str, value: str, cell: str) -> Markup:
    """Return a value that the script writes anew for the window in view."""
    return piece(
        "<span data-figure='{{ name }}' data-value='{{ value }}'>{{ cell }}</span>",
        name=name,
        value=value,
        cell=cell,
    )


def _spread_cells(page: PageData, name: str, unit: str) -> list[str]:
    """Return the cells of the lowest, the median and the highest host."""
    spread = page.summary["spread"].get(name)
    if spread is None:
        return [NOTHING] * 3
    lowest, highest = quantity(spread["minimum"], unit), quantity(spread["maximum"], unit)
    if spread["minimum"] != spread["maximum"]:
        lowest = _with_host(lowest, spread["minimum_host"])
        highest = _with_host(highest, spread["maximum_host"])
    return [lowest, quantity(spread["median"], unit), highest]


def _with_host(value: str, host: str) -> Markup:
    return piece("{{ value }} <span class='quiet'>{{ host }}</span>", value=value, host=host)


def findings(page: PageData) -> Markup:
    """Return what was at its limit and which hosts stand out, as sentences."""
    by_host = outlier_texts(page.summary)
    out: list[str] = list(limit_texts(page.summary))
    out += [
        piece("<b>{{ host }}</b>: {{ texts }}", host=host, texts=", ".join(texts))
        for host, texts in list(by_host.items())[:_REASONS]
    ]
    left = len(by_host) - _REASONS
    more = f"and {left} more hosts that stand out" if left > 0 else ""
    return render("list.html", items=out, more=more, kind="")


def hosts(page: PageData) -> Markup:
    """Return the means and peaks of every host."""
    doc = page.summary
    names = list(doc["cluster"])
    head = ["host", *(in_lines([doc["figures"][n]["label"], "mean / peak"]) for n in names)]
    rows = [
        [key, *(_host_cell(page, host, n) for n in names)]
        for key, host in list(doc["hosts"].items())[:_ROWS]
    ]
    return table(head, rows, "figures of every host")


def _host_cell(page: PageData, host: HostSummary, name: str) -> str:
    unit = page.summary["figures"][name]["unit"]
    values = host["figures"].get(name)
    mean = quantity(values["mean"] if values else None, unit)
    peak = quantity(values["peak"] if values else None, unit)
    return f"{mean} / {peak}"


def counted(page: PageData) -> Markup:
    """Return which devices the totals count, hosts with the same devices together."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for key, h in page.summary["hosts"].items():
        what = (
            ranges(h["counted"]["block"]) or "none",
            left_out(h["left_out"]["block"]),
            ranges(h["counted"]["net"]) or "none",
            left_out(h["left_out"]["net"]),
            f"{h['counted_by']['block']} / {h['counted_by']['net']}",
        )
        groups.setdefault(what, []).append(key)
    rows = [[ranges(keys), *what] for what, keys in list(groups.items())[:_ROWS]]
    head = [
        "hosts",
        "disks counted",
        "not counted",
        "interfaces counted",
        "not counted",
        "decided by",
    ]
    return table(head, rows, "devices counted in the totals", text=True)


def devices(page: PageData) -> Markup:
    """Return the figures of every device, a table for each kind."""
    out = Markup()
    for found in device_tables(page.summary):
        headings = [in_lines(h.split("\n")) for h in found.headings]
        out += table(headings, found.rows[:_ROWS], f"figures of {found.title}")
    return out or Markup(
        "<p class='quiet'>Not shown for so many hosts: summary --devices has them.</p>"
    )


def phases(page: PageData) -> Markup:
    """Return the figures of the phases, all stretches of a name together."""
    found = phase_table(page.summary)
    if found is None:
        return Markup()
    return table(found.headings, found.rows[:_ROWS], "figures of phases")


def marks(page: PageData) -> Markup:
    """Return the phases, each with a button that zooms to it."""
    if not page.marks:
        return Markup("<p class='quiet'>No phase was marked.</p>")
    rows = []
    for n, m in enumerate(page.marks[:_ROWS]):
        button = piece(
            "<button type='button' data-mark='{{ n }}'>{{ text }}</button>",
            n=n,
            text=m.text or "(no text)",
        )
        rows.append([button, moment(m.begin_ms), _lasted(m), m.host])
    return table(
        ["phase", Markup("start (<span class='zone'>UTC</span>)"), "duration", "marked on"],
        rows,
        "phases",
        text=True,
    )


def _lasted(mark: PagePhase) -> str:
    if mark.end_ms <= mark.begin_ms:
        return "a moment"
    return duration((mark.end_ms - mark.begin_ms) / 1e3)


def missed(page: PageData) -> Markup:
    """Return what each host missed: ticks, sources, devices without room; and missing hosts."""
    recorded = page.run["facts"]
    rows: list[list[str]] = [
        [key, NOTHING, NOTHING, why]
        for key, why in page.run["hosts_partial"].items()
        if key not in recorded
    ]
    for key, f in recorded.items():
        what = _missed_of_host(page, key, f)
        if f["missed"] or what:
            text = in_lines(what) or NOTHING
            rows.append([key, str(f["ticks"]), str(f["missed"]), text])
    if not rows:
        return Markup("<p>None: every host has every tick.</p>")
    head = ["host", "ticks", "missed", "other gaps"]
    return table(head, rows[:_ROWS], "missing data", text=True)


def _missed_of_host(page: PageData, key: str, f: HostFacts) -> list[str]:
    """Return what a host missed apart from ticks. ``f``: its facts."""
    out = [
        f"{source}: {', '.join(f'{n} x {status}' for status, n in counts.items())}"
        for source, counts in f["statuses"].items()
    ]
    out += no_room(f)
    if key in page.run["hosts_partial"]:
        out.append(page.run["hosts_partial"][key])
    if not f["complete"]:
        out.append(incomplete(f))
    host = page.summary["hosts"].get(key)
    return out + (host["notes"] if host else [])


def changed(page: PageData) -> Markup:
    """Return what differs between start and end, hosts with the same changes together."""
    if not page.changes:
        return Markup(
            "<p class='quiet'>No recorded property of a host changed between start and end.</p>"
        )
    alike: dict[tuple[str, ...], list[str]] = {}
    for host, what in page.changes.items():
        alike.setdefault(tuple(what), []).append(host)
    rows = [[ranges(hosts), in_lines(what[:_REASONS])] for what, hosts in alike.items()]
    return table(["hosts", "what changed"], rows[:_ROWS], "changes", text=True)
