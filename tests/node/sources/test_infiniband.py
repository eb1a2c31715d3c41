"""InfiniBand, RoCE and Omni-Path: every number of the fixture."""

from __future__ import annotations

from pathlib import Path

from source_texts import TEXTS
from sourcekit import decoded, plant, recorded

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
        if name != "lifespan" and value.isdigit():
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
