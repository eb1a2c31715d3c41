"""The page around the charts: what can be trusted, the figures as tables, phases, and what was missed.

Everything that comes from a recording passes through ``esc``. Without scripts these parts are still there.
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

from mpi_collector.formats.run_document import RunDocument
from mpi_collector.report.page.data import Mark, PageData
from mpi_collector.report.quantity import duration, quantity, ranges
from mpi_collector.report.text import outlier_text
from mpi_collector.terminal_text import safe_text

_ROWS = 4096  #: of a table; a reader of more has the JSON
_REASONS = 50
STORAGE = frozenset(("read_bytes_per_s", "write_bytes_per_s", "read_iops", "write_iops", "read_latency_ms", "write_latency_ms",
                     "utilisation_percent", "utilisation_max_percent", "queue_depth"))  # fmt: skip


def esc(text: object) -> str:
    """Text of a recording as HTML text or attribute: no markup, nothing invisible."""
    return html.escape(safe_text(text), quote=True)


def clock(ms: float) -> str:
    """UTC with milliseconds."""
    return datetime.fromtimestamp(ms / 1e3, timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]


def table(
    head: Iterable[str], rows: Iterable[Iterable[str]], caption: str, text: bool = False
) -> str:
    """Cells are HTML already. Wide tables scroll, with the keyboard too."""
    lines = [
        f"<tr><th scope='row'>{r[0]}</th>{''.join(f'<td>{c}</td>' for c in r[1:])}</tr>"
        for r in map(list, rows)
    ]
    top = "".join(f"<th scope='col'>{h}</th>" for h in head)
    kind = " class='text'" if text else ""
    return (f"<div class='scroll' tabindex='0' role='region' aria-label='{caption}'><table{kind}><thead><tr>{top}</tr>"
            f"</thead><tbody>{''.join(lines)}</tbody></table></div>")  # fmt: skip


def verdict(run: RunDocument, line: str) -> str:
    """The verdict and its reasons. ``line``: the verdict in one line."""
    v = run["verdict"]
    word = v["verdict"] if v["verdict"] in ("complete", "partial", "invalid") else "invalid"
    rest = line.partition("(")[2].rstrip(")")
    reasons = "".join(f"<li>{esc(r)}</li>" for r in v["reasons"][:_REASONS])
    if len(v["reasons"]) > _REASONS:
        reasons += f"<li>and {len(v['reasons']) - _REASONS} more</li>"
    listed = f"<ul>{reasons}</ul>" if reasons else ""
    return f"<div class='verdict {word}' role='status'><strong>{word}</strong> – {esc(rest)}{listed}</div>"


def facts(page: PageData) -> str:
    """What run this is: short facts beside each other, the command and the hosts below."""
    run = page.run
    words = run.get("command")
    command = " ".join(words) if words else None
    short = [
        ("benchmark", run.get("benchmark")),
        ("begun", f"{clock(run['start_ns'] / 1e6)[:-4]} UTC"),
        ("lasted", duration(page.summary["span_s"])),
        ("sampled", f"every {run['interval_ns'] / 1e9:g} s ({run.get('collection_method')})"),
        ("ended by", run.get("ended_by")),
        ("exit code", run.get("command_exit_code") if command else None),
    ]
    return _pairs(short, "") + _pairs(
        [("hosts", ranges(page.hosts)), ("command", command)], " class='long'"
    )


def _pairs(pairs: list[tuple[str, Any]], kind: str) -> str:
    return "".join(
        f"<div{kind}><dt>{k}</dt><dd>{esc(v)}</dd></div>"
        for k, v in pairs
        if v is not None and v != ""
    )


def figures(page: PageData) -> str:
    """The cluster, figure by figure, with the spread over its hosts: storage and the rest beside each other."""
    names = [
        n
        for n in page.summary["cluster"]
        if n != "cpu_steal_percent" or page.summary["cluster"][n]["peak"]
    ]
    if not names:
        return "<p>Too few rows for any figure.</p>"
    several = len(page.hosts) > 1
    head = ["", "mean", "peak", *(["lowest host", "median", "highest host"] if several else [])]
    halves = [[n for n in names if (n in STORAGE) == storage] for storage in (True, False)]
    tables = [table(head, [_figure_row(page, n) for n in half], f"figures of {what}")
              for half, what in zip(halves, ("storage", "the hosts")) if half]  # fmt: skip
    return "".join(tables)


def _figure_row(page: PageData, name: str) -> list[str]:
    doc, several = page.summary, len(page.hosts) > 1
    about, total, spread = doc["figures"][name], doc["cluster"][name], doc["spread"].get(name)
    unit = about["unit"]
    of_all = ", total" if several and about["across"] == "sum" else ""
    row = [f"<span title='{esc(about['doc'])}'>{esc(about['label'])}{of_all}</span>"]
    row += [esc(quantity(total["mean"], unit)), esc(quantity(total["peak"], unit))]
    if several and spread:
        alike = spread["minimum"] == spread["maximum"]
        named = {
            w: "" if alike else f" <span class='quiet'>{esc(spread[w + '_host'])}</span>"
            for w in ("minimum", "maximum")
        }
        row += [esc(quantity(spread["minimum"], unit)) + named["minimum"], esc(quantity(spread["median"], unit)),
                esc(quantity(spread["maximum"], unit)) + named["maximum"]]  # fmt: skip
    elif several:
        row += ["-"] * 3
    return row


def findings(page: PageData) -> str:
    """What was at its limit and who stands out, as sentences."""
    doc = page.summary
    out = []
    for x in doc["limits"]:
        where = f" on {x['hosts']} of {len(page.hosts)} hosts" if len(page.hosts) > 1 else ""
        label = doc["figures"][x["figure"]]["label"]
        out.append(
            f"{esc(label)} at {x['at_least']:g} % or more during {100 * x['share']:.0f} % of the time{where}"
        )
    by_host: dict[str, list[str]] = {}
    for o in doc["outliers"]:
        texts = by_host.setdefault(o["host"], [])
        texts.append(outlier_text(o, doc["figures"][o["figure"]], not texts))
    out += [
        f"<b>{esc(host)}</b>: {esc(', '.join(texts))}"
        for host, texts in list(by_host.items())[:_REASONS]
    ]
    if len(by_host) > _REASONS:
        out.append(f"and {len(by_host) - _REASONS} more hosts that stand out")
    return f"<ul>{''.join(f'<li>{line}</li>' for line in out)}</ul>" if out else ""


def hosts(page: PageData) -> str:
    """Every host's means and peaks."""
    doc = page.summary
    names = list(doc["cluster"])
    head = ["host", *(f"{esc(doc['figures'][n]['label'])}<br>mean / peak" for n in names)]
    rows = []
    for key, host in list(doc["hosts"].items())[:_ROWS]:
        cells = [esc(key)]
        for n in names:
            f, unit = host["figures"].get(n, {}), doc["figures"][n]["unit"]
            cells.append(
                f"{esc(quantity(f.get('mean'), unit))} / {esc(quantity(f.get('peak'), unit))}"
            )
        rows.append(cells)
    return table(head, rows, "figures of every host")


def counted(page: PageData) -> str:
    """What the totals are made of, hosts with the same devices together."""
    groups: dict[tuple[str, ...], list[str]] = {}
    for key, h in page.summary["hosts"].items():
        made_of = [
            ranges(h[side][t]) or "none"
            for t in ("block", "net")
            for side in ("counted", "left_out")
        ]
        groups.setdefault(
            (*made_of, f"{h['counted_by']['block']} / {h['counted_by']['net']}"), []
        ).append(key)
    rows = [[esc(ranges(keys)), *map(esc, what)] for what, keys in list(groups.items())[:_ROWS]]
    head = [
        "hosts",
        "disks counted",
        "not counted",
        "interfaces counted",
        "not counted",
        "known by",
    ]
    return table(head, rows, "what the totals are made of", text=True)


def marks(page: PageData) -> str:
    """The phases, each with a button that zooms to it."""
    if not page.marks:
        return "<p class='quiet'>No phase was marked.</p>"
    rows = []
    for n, m in enumerate(page.marks[:_ROWS]):
        button = f"<button type='button' data-mark='{n}'>{esc(m.text) or '(no text)'}</button>"
        rows.append([button, clock(m.begin_ms), lasted(m), esc(m.host)])
    return table(["phase", "begun (UTC)", "lasted", "marked on"], rows, "phases", text=True)


def lasted(mark: Mark) -> str:
    return (
        duration((mark.end_ms - mark.begin_ms) / 1e3) if mark.end_ms > mark.begin_ms else "a moment"
    )


def missed(page: PageData) -> str:
    """Per host that missed something: ticks, sources, devices that found no room; and the hosts not recorded."""
    rows = [
        [esc(k), "-", "-", esc(why)]
        for k, why in page.run["hosts_partial"].items()
        if k not in page.run["facts"]
    ]
    for key, f in page.run["facts"].items():
        failed = [
            f"{s}: {', '.join(f'{n} x {w}' for w, n in counts.items())}"
            for s, counts in f["statuses"].items()
        ]
        failed += [f"no room for {e['what']} {e['name']} of {e['source']}" for e in f["lost"]]
        failed += [page.run["hosts_partial"][key]] if key in page.run["hosts_partial"] else []
        failed += [] if f["complete"] else [f"breaks off at tick {f['last_tick']}"]
        failed += page.summary["hosts"].get(key, {}).get("notes", [])
        if f["missed"] or failed:
            rows.append(
                [esc(key), str(f["ticks"]), str(f["missed"]), "<br>".join(map(esc, failed)) or "-"]
            )
    if not rows:
        return "<p>Nothing: every host, every tick.</p>"
    return table(
        ["host", "ticks", "missed", "what else"], rows[:_ROWS], "what was missed", text=True
    )


def changed(page: PageData) -> str:
    """What was not the same at the end as at the start, host by host; hosts with the same changes share a row."""
    if not page.changes:
        return "<p class='quiet'>Nothing that is recorded of the hosts changed between start and end.</p>"
    alike: dict[tuple[str, ...], list[str]] = {}
    for host, what in page.changes.items():
        alike.setdefault(tuple(what), []).append(host)
    rows = [
        [esc(ranges(hosts)), "<br>".join(esc(w) for w in what[:_REASONS])]
        for what, hosts in alike.items()
    ]
    return table(["hosts", "what changed"], rows[:_ROWS], "changes", text=True)
