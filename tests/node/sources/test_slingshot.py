"""HPE Slingshot: every number of the fixture."""

from __future__ import annotations

from pathlib import Path

from sourcekit import plant, recorded


def test_slingshot(tmp_path: Path) -> None:
    """What is counted by traffic class as a sum, the others as they are; the second card has the other layout of its port."""
    wanted: dict[str, int] = {}
    for path, value in plant(tmp_path, "slingshot"):
        card, name = path.split("/")[3], path.split("/")[-1]
        if "/telemetry/" in path:
            stem = name[:-2] if name[-1].isdigit() and name != "hni_pcs_fecl_errors_0" else name
            wanted[f"slingshot.{card}.{stem}"] = wanted.get(f"slingshot.{card}.{stem}", 0) + int(
                value.split("@")[0]
            )
    del (
        wanted["slingshot.cxi0.hni_pcs_fecl_errors_0"],
        wanted["slingshot.cxi1.hni_pcs_fecl_errors_0"],
    )
    wanted |= {"slingshot.cxi0.link_up": 1, "slingshot.cxi0.link_gbit_per_s": 200}
    wanted |= {"slingshot.cxi1.link_up": 0, "slingshot.cxi1.link_gbit_per_s": 400}
    found = recorded("slingshot", tmp_path)
    assert found == wanted
    assert found["slingshot.cxi0.hni_sts_rx_ok_octets"] == 2**56 - 1
    assert found["slingshot.cxi1.hni_pkts_recv_by_tc"] == 3 * 36000
