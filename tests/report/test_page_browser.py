"""The page in Chromium: it opens, clicks and zooms; nothing is asked of the network, and the console stays silent."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import synthetic as sy

pytest.importorskip("jinja2", reason="the page needs Jinja2 (the report extra)")
pytest.importorskip("selenium", reason="driving a browser needs selenium")

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from mpi_collector.report.page import page
from mpi_collector.report.quantity import quantity
from mpi_collector.report.summary import document
from mpi_collector.store.load import load

NAME = "host_20260105_120000_timeseries.npz"
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = [
    pytest.mark.skipif(
        not (CHROMIUM and DRIVER), reason="no executable chromium and chromedriver on the PATH"
    ),
    pytest.mark.timeout(300),
]
CHART = "const chart = document.documentElement.page.charts.find((c) => c.name === arguments[0]);"
WINDOW = CHART + "const { x } = chart.plot.scales; return [x.min, x.max];"


class Page:
    """A page in the browser."""

    def __init__(self, driver: Any, file: Path) -> None:
        self.driver = driver
        driver.get(file.as_uri())
        WebDriverWait(driver, 120).until(
            lambda d: d.execute_script("return document.documentElement.dataset.ready")
        )

    def window(self, name: str = "read_bytes_per_s") -> tuple[float, float]:
        """What a chart shows, ms."""
        begin, end = self.driver.execute_script(WINDOW, name)
        return begin, end

    def changed(self, before: tuple[float, float]) -> tuple[float, float]:
        """The window when it is no longer what it was."""
        WebDriverWait(self.driver, 20).until(lambda d: self.window() != before)
        return self.window()

    def find(self, css: str) -> Any:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def click(self, css: str) -> None:
        element = self.find(css)
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", element)
        element.click()


@pytest.fixture(scope="module")
def driver() -> Iterator[Any]:
    options = Options()
    options.binary_location = str(CHROMIUM)
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1400,1000"):
        options.add_argument(word)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    yield browser
    browser.quit()


def open_page(driver: Any, directory: Path, hosts: int, **how: Any) -> Page:
    with load(sy.cluster(directory / NAME, hosts, how.pop("rows", 300), **how)) as recording:
        (directory / "report.html").write_text(page(recording))
    driver.get_log("browser"), driver.get_log("performance")
    return Page(driver, directory / "report.html")


@pytest.fixture(params=[1, 4, 64])
def opened(request: pytest.FixtureRequest, driver: Any, tmp_path: Path) -> Page:
    odd = {2: 0.4} if request.param > 2 else {}
    return open_page(driver, tmp_path, request.param, odd=odd)


def test_silent_and_alone(opened: Page) -> None:
    """No request but for the file itself, no console error or warning."""
    requests = [json.loads(e["message"])["message"] for e in opened.driver.get_log("performance")]
    urls = {
        m["params"]["request"]["url"]
        for m in requests
        if m["method"] == "Network.requestWillBeSent"
    }
    assert {u for u in urls if not u.startswith(("file:", "data:", "blob:"))} == set()
    assert [
        e for e in opened.driver.get_log("browser") if e["level"] in ("SEVERE", "WARNING")
    ] == []


def test_buttons_and_keys_move_all_charts(opened: Page) -> None:
    whole = opened.window()
    opened.click("[data-act=in]")
    half = opened.changed(whole)
    assert half[1] - half[0] == pytest.approx((whole[1] - whole[0]) / 2)
    opened.find("#charts").send_keys(Keys.ARROW_RIGHT)
    assert opened.changed(half)[0] > half[0]
    opened.find("#charts").send_keys("0")
    WebDriverWait(opened.driver, 20).until(lambda d: opened.window() == whole)


def test_keys_work_from_anywhere(driver: Any, tmp_path: Path) -> None:
    """Also where nothing has the focus; tab reaches the charts, where the values can be stepped through."""
    opened = open_page(driver, tmp_path, 4)
    whole = opened.window()
    driver.execute_script("document.activeElement.blur()")
    ActionChains(driver).send_keys("+").perform()
    half = opened.changed(whole)
    plot = opened.find(".grid .plot")
    plot.send_keys(".")
    first = tip(opened)
    assert first[0].startswith("UTC") and [line.split("\n")[0] for line in first[1:]] == [
        "node001",
        "node002",
        "node003",
        "node004",
    ]
    assert all("B/s" in line for line in first[1:])
    plot.send_keys(".")
    assert tip(opened)[0] != first[0]
    assert opened.window() == half


def tip(opened: Page) -> list[str]:
    """The lines of what is said about the moment under the pointer."""
    WebDriverWait(opened.driver, 20).until(lambda d: opened.find("#tip").is_displayed())
    return [row.text for row in opened.driver.find_elements(By.CSS_SELECTOR, "#tip div")]


def test_pointing_shows_the_moment_on_every_chart(opened: Page) -> None:
    """The values of the chart that is pointed at, as they were recorded, and a line at the same moment on the others."""
    plot = opened.find(".grid .plot")
    opened.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot)
    ActionChains(opened.driver).move_to_element_with_offset(plot, -100, 0).move_by_offset(
        3, 0
    ).perform()
    lines = tip(opened)
    cursors = opened.driver.execute_script(
        "return document.documentElement.page.charts.filter((c) => c.seen && !c.heat && c.plot.cursor.left >= 0)"
        ".map((c) => c.plot.posToVal(c.plot.cursor.left, 'x'))"
    )
    assert (
        len(cursors) >= 2 and max(cursors) - min(cursors) <= 1100
    )  # ms; the others stand at the row
    if len(lines) == 2:  # a single host
        drawn = opened.driver.execute_script(CHART + "return chart.values[1]", "read_bytes_per_s")
        shown = lines[1].split("\n")[1]
        assert shown in {quantity(v, "bytes/s") for v in drawn}


def test_a_click_on_a_claim_shows_its_time_and_its_charts(driver: Any, tmp_path: Path) -> None:
    """On the first screen: the window is that of the claim, and the charts of its evidence stand out."""
    opened = open_page(driver, tmp_path, 4)
    assert opened.find("#limits").rect["y"] < 600
    whole = opened.window()
    opened.click("[data-claim='0']")
    begin, end = opened.changed(whole)
    claim = driver.execute_script(
        "return JSON.parse(document.getElementById('about').textContent).claims[0]"
    )
    assert (begin, end) == (claim["begin"], claim["end"])
    marked = driver.find_elements(By.CSS_SELECTOR, "figure.evidence")
    assert 1 <= len(marked) <= len(claim["charts"])


def test_phases_have_names_above_the_charts(opened: Page) -> None:
    """They zoom when clicked, and move along."""
    names = [e.text for e in opened.driver.find_elements(By.CSS_SELECTOR, "#strip i")]
    assert names[:3] == ["epoch 1", "checkpoint 1", "epoch 2"]
    whole = opened.window()
    opened.click("#strip i:nth-child(3)")
    zoomed = opened.changed(whole)
    assert whole[0] < zoomed[0] < zoomed[1] < whole[1]
    WebDriverWait(opened.driver, 20).until(
        lambda d: not opened.find("#strip i:nth-child(1)").is_displayed()
    )
    assert opened.find("#strip i:nth-child(3)").is_displayed()


def test_dragging_zooms_every_chart(opened: Page) -> None:
    """Also those that are out of sight, once they come into it."""
    whole = opened.window()
    plot = opened.find(".grid .plot")
    opened.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", plot)
    ActionChains(opened.driver).move_to_element_with_offset(
        plot, -100, 0
    ).click_and_hold().move_by_offset(150, 0).release().perform()
    zoomed = opened.changed(whole)
    assert zoomed[1] - zoomed[0] < 0.6 * (whole[1] - whole[0])
    last = opened.driver.find_elements(By.CSS_SELECTOR, ".grid .plot")[-1]
    opened.driver.execute_script("arguments[0].scrollIntoView()", last)
    name = opened.driver.execute_script(
        "return JSON.parse(document.getElementById('about').textContent).charts.at(-1).name"
    )
    WebDriverWait(opened.driver, 20).until(lambda d: opened.window(name) == zoomed)


def test_phase_button_zooms_to_it(opened: Page) -> None:
    whole = opened.window()
    opened.click("[data-mark='0']")
    assert opened.changed(whole)[1] < whole[1]


def test_hosts_can_be_hidden(driver: Any, tmp_path: Path) -> None:
    opened = open_page(driver, tmp_path, 4)
    opened.click("[data-host='1']")
    assert opened.find("[data-host='1']").get_attribute("aria-pressed") == "false"
    shown = "return chart.lines.filter((l, n) => chart.plot.series[n + 1].show).map((l) => l.name)"
    names = driver.execute_script(CHART + shown, "read_bytes_per_s")
    assert names == ["node001", "node003", "node004"]


def test_devices_on_demand(driver: Any, tmp_path: Path) -> None:
    """By mouse and keyboard: filter, choose two, zoom with all charts, choose another one."""
    opened = open_page(driver, tmp_path, 2)
    opened.find("#device-filter").send_keys("node002 nvme")
    shown = [o.text for o in driver.find_elements(By.CSS_SELECTOR, "#device-list option")]
    assert [text.split("  ")[0].split(" (")[0] for text in shown] == [
        "node002: nvme0n1",
        "node002: nvme1n1",
    ]
    other = "#device-list optgroup[label='interfaces']"
    assert not driver.find_elements(By.CSS_SELECTOR, other)
    opened.find("#device-list").send_keys(Keys.HOME)
    first = "device:read_bytes_per_s"
    WebDriverWait(driver, 20).until(
        lambda d: d.execute_script(CHART + "return Boolean(chart && chart.plot)", first)
    )
    lines = CHART + "return chart.lines.map((l) => l.name)"
    assert driver.execute_script(lines, first) == ["node002: nvme0n1"]
    opened.find("#device-list").send_keys(Keys.SHIFT, Keys.ARROW_DOWN)
    WebDriverWait(driver, 20).until(lambda d: len(d.execute_script(lines, first)) == 2)
    assert opened.find("#device-legend").text.split() == [
        "node002:",
        "nvme0n1",
        "node002:",
        "nvme1n1",
    ]
    whole = opened.window()
    opened.click("[data-act='in']")
    zoomed = opened.changed(whole)
    opened.driver.execute_script(
        "arguments[0].scrollIntoView()", opened.find("#device-read_bytes_per_s")
    )
    WebDriverWait(driver, 20).until(lambda d: opened.window(first) == zoomed)
    opened.find("#device-filter").send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.BACKSPACE)
    opened.find("#device-list").send_keys(Keys.END)
    WebDriverWait(driver, 20).until(
        lambda d: len(d.find_elements(By.CSS_SELECTOR, "#device-charts figure")) == 2
    )
    assert not driver.execute_script(
        "return document.documentElement.page.charts.some((c) => c.name === 'device:read_bytes_per_s')"
    )
    assert [e for e in driver.get_log("browser") if e["level"] == "SEVERE"] == []


def test_a_value_between_unknown_ones_is_seen(driver: Any, tmp_path: Path) -> None:
    """A line needs two values: one alone is a point."""
    host = sy.workload(0, 40)
    for rows in (slice(0, 20), slice(22, 41)):  # two rows stay: one interval
        host = sy.blank(host, "diskstats.", rows)
    path = sy.write(tmp_path / NAME, [("node001", host)])
    with load(path) as recording:
        (tmp_path / "report.html").write_text(page(recording))
    opened = Page(driver, tmp_path / "report.html")
    points = "return chart.plot.series[1].points.filter()"
    driver.execute_script("document.querySelector('.grid .plot').scrollIntoView()")
    known = CHART + "return chart.values[1].filter((v) => v !== null).length"
    assert driver.execute_script(known, "read_bytes_per_s") == 1
    assert len(driver.execute_script(CHART + points, "read_bytes_per_s")) == 1
    assert driver.execute_script(CHART + points, "cpu_busy_percent") is None
    assert opened.window()


def test_a_choice_survives_the_filter(driver: Any, tmp_path: Path) -> None:
    """Devices of two kinds are compared: chosen one after the other by two filters."""
    opened = open_page(driver, tmp_path, 1)
    for text in ("nvme0", "ib0"):
        opened.find("#device-filter").send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.BACKSPACE, text)
        opened.find("#device-list").send_keys(Keys.HOME)
    assert opened.find("#device-legend").text.split() == ["nvme0n1", "ib0"]


def test_heat_map_names_host_and_value(driver: Any, tmp_path: Path) -> None:
    opened = open_page(driver, tmp_path, 64)
    heat = opened.find("#heat")
    opened.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", heat)
    ActionChains(driver).move_to_element(heat).perform()
    WebDriverWait(driver, 20).until(lambda d: "node" in opened.find("#heat-at").text)


def test_light_and_dark(opened: Page) -> None:
    root = opened.find("html")
    before = root.get_attribute("data-theme")
    opened.click("#theme")
    assert {before, root.get_attribute("data-theme")} == {"light", "dark"}


def test_paper_is_light_and_as_wide_as_it_is(opened: Page) -> None:
    """Canvases do not flow: all are drawn as wide as the paper, and again for the screen."""
    opened.click("#theme")
    before = opened.find("html").get_attribute("data-theme")
    wide = "return document.documentElement.page.charts.map((c) => c.plot ? c.plot.width : 0)"
    was = opened.driver.execute_script(wide)
    opened.driver.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert opened.find("html").get_attribute("data-theme") == "light"
    assert set(opened.driver.execute_script(wide)) == {690}
    opened.driver.execute_script("dispatchEvent(new Event('afterprint'))")
    assert opened.find("html").get_attribute("data-theme") == before
    now = opened.driver.execute_script(wide)
    assert [n for n, w in zip(now, was) if w] == [w for w in was if w]


def test_script_in_a_name_does_not_run(driver: Any, tmp_path: Path) -> None:
    evil = "</script><script>document.title = 'taken'</script><img src=x onerror=\"document.title='taken'\">$$x$$"
    opened = open_page(driver, tmp_path, 3, names=[evil, "b", "c"])
    test_silent_and_alone(opened)
    assert driver.title != "taken" and evil in opened.find("#charts").text


def test_sixteen_hosts_zoom(driver: Any, tmp_path: Path, record_property: Any) -> None:
    """16 hosts x 3,600 samples: every step arrives; how long one took is a property of the report."""
    opened = open_page(driver, tmp_path, 16, rows=3600)
    opened.driver.execute_script("document.querySelector('.grid').scrollIntoView()")
    times = []
    for _ in range(4):
        before, start = opened.window(), time.monotonic()
        opened.click("[data-act=in]")
        after = opened.changed(before)
        assert after[1] - after[0] == pytest.approx((before[1] - before[0]) / 2)
        times.append(time.monotonic() - start)
    record_property("zoom_step_s", sorted(times)[len(times) // 2])


def test_two_recordings_on_one_page(driver: Any, tmp_path: Path) -> None:
    """compare -o: a line for A and one for B in every chart, zoomed together; silent and alone like the other."""
    from mpi_collector.report.page.comparison import comparison_page

    paths = []
    for name, speed in (("a", {}), ("b", {0: 0.5, 1: 0.5})):
        (tmp_path / name).mkdir()
        paths.append(sy.cluster(tmp_path / name / NAME, 2, 200, odd=speed))
    with load(paths[0]) as a, load(paths[1]) as b:
        (tmp_path / "versus.html").write_text(comparison_page(a, b))
    driver.get_log("browser"), driver.get_log("performance")
    opened = Page(driver, tmp_path / "versus.html")
    test_silent_and_alone(opened)
    whole = opened.window()
    assert whole[0] == 0
    opened.click("[data-act=in]")
    half = opened.changed(whole)
    assert half[1] - half[0] == pytest.approx((whole[1] - whole[0]) / 2)
    names = driver.execute_script(
        CHART + "return chart.lines.map((l) => l.name)", "read_bytes_per_s"
    )
    assert names == ["A", "B"]
    assert "0.5" in opened.find("#figures").text


def test_figures_are_those_of_the_window(driver: Any, tmp_path: Path) -> None:
    """Between two rows they are what the recording's own window says; zoomed out they are those of the run again."""
    opened = open_page(driver, tmp_path, 4, odd={2: 0.4})
    begin, end = sy.START_NS + 33 * sy.S, sy.START_NS + 61 * sy.S
    with load(tmp_path / NAME) as recording:
        window = document(recording.between(begin, end))
    cells = "return Object.fromEntries([...document.querySelectorAll('#figures [data-figure]')].map((e) => [`${e.dataset.figure} ${e.dataset.value}`, e.innerText]))"
    whole = driver.execute_script(cells)
    driver.execute_script(
        "document.documentElement.page.page.onZoom(arguments[0], arguments[1])",
        begin / 1e6,
        end / 1e6,
    )
    shown = driver.execute_script(cells)
    assert shown != whole
    for name in ("read_bytes_per_s", "write_bytes_per_s", "cpu_busy_percent"):
        unit = window["figures"][name]["unit"]
        of_all, spread = window["cluster"][name], window["spread"][name]
        assert shown[f"{name} mean"] == quantity(of_all["mean"], unit)
        assert shown[f"{name} peak"] == quantity(of_all["peak"], unit)
        assert (
            shown[f"{name} lowest"]
            == f"{quantity(spread['minimum'], unit)} {spread['minimum_host']}"
        )
        assert shown[f"{name} median"] == quantity(spread["median"], unit)
    opened.click("[data-act=all]")
    assert driver.execute_script(cells) == whole


def test_local_time_and_back(driver: Any, tmp_path: Path) -> None:
    """One button for the window, the axes and the tables; the time zone is that of the browser."""
    driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Tokyo"})
    try:
        opened = open_page(driver, tmp_path, 1)
        start = "return document.querySelector('time').textContent"
        assert driver.execute_script(start) == "2026-01-05 12:00:00.000"
        opened.click("[data-act=zone]")
        assert driver.execute_script(start) == "2026-01-05 21:00:00.000"
        assert opened.find("#window").text.startswith("21:00:00")
        opened.find("#charts").send_keys("u")
        assert opened.find("#window").text.startswith("12:00:00")
    finally:
        driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})


def test_touch(driver: Any, tmp_path: Path) -> None:
    """On a telephone nothing is wider than it; a tap on a chart shows its values, a swipe scrolls the page and zooms nothing."""
    metrics = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        opened = open_page(driver, tmp_path, 4)
        assert driver.execute_script("return document.documentElement.scrollWidth") == 390
        whole = opened.window()
        middle = "arguments[0].scrollIntoView({block: 'center'}); const b = arguments[0].getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2];"
        x, y = driver.execute_script(middle, opened.find(".grid .plot"))
        touch(driver, "touchStart", x, y)
        touch(driver, "touchEnd")
        assert len(tip(opened)) == 5
        before = driver.execute_script("return scrollY")
        touch(driver, "touchStart", x, y)
        for up in range(10, 160, 10):
            touch(driver, "touchMove", x, y - up)
        touch(driver, "touchEnd")
        WebDriverWait(driver, 20).until(lambda d: d.execute_script("return scrollY") > before)
        assert opened.window() == whole
    finally:
        driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
        driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def touch(driver: Any, kind: str, *at: float) -> None:
    points = [{"x": at[0], "y": at[1]}] if at else []
    driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
