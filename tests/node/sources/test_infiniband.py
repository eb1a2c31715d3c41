"""InfiniBand, RoCE and Omni-Path: every number of the fixture."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from sampled_tree import Tree, sampled
from source_texts import TEXTS
from sourcekit import decoded, plant, recorded

from mpi_collector.node.row.decode import make_layout
from mpi_collector.node.sources import (
    BY_NAME,
)


def test_infiniband(tmp_path: Path) -> None:
    """Data are counted in words of four bytes, in 64 bits where there are both; what is no number is no column, a setting neither."""
    wanted = {}
    for path, value in sorted(plant(tmp_path, "infiniband")):
        *_, device, port, folder, name = path.split("/")
        place = port if device == "infiniband" else f"{path.split('/')[3]}/{port}"
        if folder == "counters_ext":
            name = name.replace("_64", "") if name.endswith("_64") else name.replace("port_", "")
        if name != "lifespan" and value.isdigit() and (folder, value) != ("counters", "65535"):
            wanted[f"infiniband.{place}.{name}"] = int(value) * (
                4 if name in ("port_rcv_data", "port_xmit_data") else 1
            )
    assert recorded("infiniband", tmp_path) == wanted
    assert {name.rpartition(".")[2] for name in wanted} >= {
        f.name for f in BY_NAME["infiniband"].fields
    }
    assert wanted["infiniband.mlx4_0/2.port_xmit_data"] == 9871542384 * 4
    assert wanted["infiniband.irdma0.ip4InOctets"] == 13
    assert len({name.rpartition(".")[0] for name in wanted}) >= 5


def test_an_unknown_infiniband_counter_is_kept() -> None:
    assert decoded("infiniband", TEXTS["infiniband"].text).cells["mlx5_0/1.vendor_thing"] == 9


PORT = "sys/class/infiniband/mlx5_0/ports/1/counters"


def port(tree: Tree, words: int, at: str = PORT) -> None:
    """Write the counters of a port that has sent and received so many words of four bytes."""
    tree.write(f"{at}/port_rcv_data", f"{words}\n")
    tree.write(f"{at}/port_xmit_data", f"{2 * words}\n")


def test_a_card_that_is_reset(tmp_path: Path) -> None:
    """Its counters are not there for a while; when they are back they are known again."""
    tree = Tree(tmp_path / "root")
    port(tree, 1000)
    found = sampled(
        tree,
        tmp_path / "results",
        "infiniband",
        lambda: port(tree, 2000),
        lambda: tree.remove("sys/class/infiniband/mlx5_0"),
        lambda: time.sleep(0.3),
        lambda: port(tree, 5000),
        lambda: time.sleep(0.5),
        lambda: port(tree, 7000),
    )
    values = found.columns["infiniband.mlx5_0/1.port_rcv_data"]
    assert None in values
    assert values[0] == 4000 and values[-1] == 28000
    gap = values.index(None)
    assert 20000 in values[gap:]
    assert found.moved("fabric_rx_bytes_per_s") == pytest.approx(4000 + 8000, rel=1e-3)
    assert 0 < found.figures["fabric_rx_bytes_per_s"].known_s < found.summary["span_s"]
    assert found.summary["cluster"]["fabric_rx_bytes_per_s"]["coverage"] < 1


@pytest.mark.parametrize(
    ("card", "received", "sent"),
    [
        ("rdmap0s6/ports/1", "rx_bytes", "tx_bytes"),
        ("bnxt_re0/ports/1", "rx_bytes", "tx_bytes"),
        ("erdma_0/ports/1", "rx_bytes_cnt", "tx_bytes_cnt"),
        ("irdma0/ports/1", "ip4InOctets", "ip4OutOctets"),
        ("irdma0", "ip6InOctets", "ip6OutOctets"),
        ("mana_0/ports/1", "rx_bytes", "tx_bytes"),
    ],
)
def test_bytes_that_a_driver_counts_elsewhere(
    tmp_path: Path, card: str, received: str, sent: str
) -> None:
    """Also beside standard counters that stand still."""
    tree = Tree(tmp_path / "root")
    at = f"sys/class/infiniband/{card}/hw_counters"
    if card.startswith("bnxt_re0"):
        port(tree, 0, f"sys/class/infiniband/{card}/counters")

    def write(n: int) -> None:
        tree.write(f"{at}/{received}", f"{n}\n")
        tree.write(f"{at}/{sent}", f"{3 * n}\n")
        tree.write(f"{at}/active_qps", f"{n % 7}\n")

    write(10_000_000)
    found = sampled(tree, tmp_path / "results", "infiniband", lambda: write(30_000_000))
    assert found.moved("fabric_rx_bytes_per_s") == pytest.approx(20_000_000, rel=1e-3)
    assert found.moved("fabric_tx_bytes_per_s") == pytest.approx(60_000_000, rel=1e-3)


def test_a_card_that_shows_the_counters_of_its_port(tmp_path: Path) -> None:
    """irdma: both places have the same bytes, which count once."""
    tree = Tree(tmp_path / "root")

    def write(n: int) -> None:
        for place in ("irdma0", "irdma0/ports/1"):
            tree.write(f"sys/class/infiniband/{place}/hw_counters/ip4InOctets", f"{n}\n")

    write(1000)
    found = sampled(tree, tmp_path / "results", "infiniband", lambda: write(21_000))
    assert found.moved("fabric_rx_bytes_per_s") == pytest.approx(20_000, rel=1e-3)


def test_a_counter_that_stops_at_its_greatest_value(tmp_path: Path) -> None:
    """32 bits of words: what is sent from then on is unknown, not 0."""
    tree = Tree(tmp_path / "root")
    port(tree, 2**31 - 4000)
    found = sampled(
        tree,
        tmp_path / "results",
        "infiniband",
        lambda: port(tree, 2**31 - 2000),
        lambda: tree.write(f"{PORT}/port_xmit_data", f"{2**32 - 1}\n"),
    )
    sent = found.columns["infiniband.mlx5_0/1.port_xmit_data"]
    assert sent[-1] is None and sent[0] == 4 * (2**32 - 8000)
    assert found.moved("fabric_tx_bytes_per_s") == pytest.approx(4 * 4000, rel=1e-3)
    assert found.figures["fabric_tx_bytes_per_s"].known_s < found.summary["span_s"] - 0.05


@pytest.mark.parametrize(
    ("name", "bits"), [("symbol_error", 16), ("link_downed", 8), ("local_link_integrity_errors", 4)]
)
def test_error_counters_have_few_bits(name: str, bits: int) -> None:
    text = b"@%s/1:%s\n%d\n"
    top = 2**bits - 1
    assert decoded("infiniband", text % (b"mlx5_0", name.encode(), top)).cells == {}
    assert decoded("infiniband", text % (b"mlx5_0", name.encode(), top - 1)).cells != {}
    assert decoded("infiniband", text % (b"hfi1_0", name.encode(), top)).cells != {}


def test_levels_are_no_counters() -> None:
    source = BY_NAME["infiniband"]()
    text = b"@bnxt_re0/1:active_qps\n3\n@bnxt_re0/1:watermark_mrs\n5\n@bnxt_re0/1:rx_pkts\n7\n"
    kinds = {c.field: c.kind for c in make_layout([source], [text]).columns()}
    assert (kinds["active_qps"], kinds["watermark_mrs"], kinds["rx_pkts"]) == (
        "gauge",
        "gauge",
        "counter",
    )
