"""The pages say what the registry and the recorded results say."""

from importlib.metadata import EntryPoint

import pytest

from metamer.perception import Metric, metrics, registry
from metamer.perception.catalogue import CATALOGUE
from metamer.perception.distances.visibility import JND_PER_JOD
from research.pages.build import PAGES, page_text
from research.pages.findings import finding
from research.pages.findings.page import findings
from research.pages.findings.perceptnet import common_verdict, is_majority, optimum_verdict
from research.pages.findings.pim import slowness_verdict
from research.pages.findings.restorers import improvements, verdict
from research.pages.findings.toy import near_optimum_verdict
from research.pages.published import TID2013, column_agreement
from research.recorded_results import ROOT, read_results


@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_up_to_date(name):
    page = (ROOT / "research" / name).read_text()
    assert page == page_text(name), "run python -m research.pages"
    assert "{{" not in page


FOREIGN = Metric("foreign", "absent:Distance", "A distance of another package", "none", "user")


def test_distances_that_other_packages_add_change_no_page(monkeypatch):
    point = EntryPoint("foreign", f"{__name__}:FOREIGN", registry.ENTRY_POINTS)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    metrics.cache_clear()
    try:
        assert "foreign" in metrics()
        test_the_page_is_up_to_date("METRICS.md")
    finally:
        metrics.cache_clear()


# came after both studies, or have another scale since; ranks of visibility are visibility-jnd's
NEW = {"psnr-y", "psnr-cb", "psnr-cr", "ssim-luma", "flip", "contextual", "visibility", "brisque"}


def test_every_metric_was_judged_and_every_trainable_one_put_to_the_recovery_test():
    judged = {row["metric"] for row in read_results("tid2013-resim")}
    recovered = {row["metric"].partition(":")[0] for row in read_results("recoveries-noise")}
    assert {metric.name for metric in CATALOGUE} - NEW <= judged
    assert {metric.name for metric in CATALOGUE if metric.trainable} - NEW <= recovered
    assert not NEW & judged  # one that was judged since leaves the list


def test_findings_name_all_that_makes_a_verdict():
    rows = findings()
    assert len({row.paper for row in rows}) == 5
    verdicts = (finding.REPRODUCED, finding.NOT_REPRODUCED, finding.CANNOT_TELL)
    assert all(row.verdict in verdicts and all(row) for row in rows)
    # single trainings tell nothing within what trainings scatter
    optimum = {"strength": 0.1, "over_plain": [0.05, 0.04, 0.06], "over_strongest": [0.2] * 3}
    assert optimum_verdict(optimum, 0.2) == finding.CANNOT_TELL
    assert optimum_verdict(optimum | {"over_plain": [0.1] * 3}, 0.2) == finding.REPRODUCED
    seeds = optimum | {"seeds": 3, "scatter": 0.02}  # whose intervals know what trainings scatter
    assert optimum_verdict(seeds, 0.2) == finding.REPRODUCED
    assert optimum_verdict(seeds | {"over_plain": [0.05, -0.01, 0.11]}, 0.2) == finding.CANNOT_TELL
    beyond = optimum | {"strength": 4.0, "over_plain": [0.1] * 3, "over_strongest": [0.0] * 3}
    assert optimum_verdict(beyond, 1.0) == finding.NOT_REPRODUCED


def test_visibility_counts_jnd_as_people_do():
    assert pytest.approx(read_results("jnd-scale")["per_jod"][0], abs=0.005) == JND_PER_JOD


def test_the_recreated_set_ranks_distances_as_the_real_one():
    value, low, high = column_agreement()
    assert low < value <= high and value == pytest.approx(0.956, abs=0.001)
    assert set(TID2013) <= {metric.name for metric in CATALOGUE}


def test_near_the_optimum_is_concluded_only_from_the_interval():
    assert near_optimum_verdict([(0.005, 0.0, 0.01)] * 2, 0.02) == finding.REPRODUCED
    assert (
        near_optimum_verdict([(0.005, 0, 0.01), (0.018, 0.015, 0.021)], 0.02) == finding.CANNOT_TELL
    )
    assert (
        near_optimum_verdict([(0.005, 0, 0.01), (0.04, 0.03, 0.05)], 0.02) == finding.NOT_REPRODUCED
    )


def test_slowness_is_shown_where_the_squared_error_fails():
    certain, half = {"value": 1.0, "low": 1.0, "high": 1.0}, {"value": 0.5, "low": 0.4, "high": 0.6}
    squared = {"easy": certain, "hard": half}
    assert slowness_verdict({"easy": certain, "hard": certain}, squared) == finding.REPRODUCED
    assert slowness_verdict({"easy": certain, "hard": half}, squared) == finding.CANNOT_TELL
    assert (
        slowness_verdict({"easy": certain}, {"easy": certain}) == finding.CANNOT_TELL
    )  # saturated
    wrong = {"value": 0.1, "low": 0.0, "high": 0.2}
    assert slowness_verdict({"easy": certain, "hard": wrong}, squared) == finding.NOT_REPRODUCED


def test_a_restorer_wins_where_most_judges_are_sure_and_none_against():
    surely, perhaps, worse = (1.0, 0.5, 1.5), (0.1, -0.4, 0.6), (-1.0, -1.5, -0.5)
    assert verdict({"a": surely, "b": surely, "c": perhaps}) == finding.REPRODUCED
    assert verdict({"a": surely, "b": surely, "c": worse}) == finding.CANNOT_TELL
    assert verdict({"a": surely, "b": perhaps}) == finding.CANNOT_TELL
    assert verdict({"a": worse, "b": worse, "c": perhaps}) == finding.NOT_REPRODUCED


def test_improvements_know_which_way_is_better_and_what_seeds_scatter():
    arms = {
        "before": [[{"psnr": 30.0, "lpips-alex": 0.2}], [{"psnr": 31.0, "lpips-alex": 0.2}]],
        "after": [[{"psnr": 31.0, "lpips-alex": 0.1}], [{"psnr": 31.5, "lpips-alex": 0.1}]],
    }
    intervals = improvements({"arms": arms}, "after", "before")
    mean, low, high = intervals["psnr"]
    assert mean == 0.75 and low < 0 < high == pytest.approx(0.75 + 12.706 * 0.25, abs=1e-3)
    assert intervals["lpips-alex"] == pytest.approx((0.1, 0.1, 0.1))


def test_a_verdict_is_that_of_both_readouts():
    assert common_verdict([finding.NOT_REPRODUCED] * 2) == finding.NOT_REPRODUCED
    assert common_verdict([finding.REPRODUCED, finding.NOT_REPRODUCED]) == finding.CANNOT_TELL


def test_a_majority_of_trainings_is_one_beyond_chance():
    assert is_majority(12, 16) and not is_majority(11, 16)


@pytest.mark.parametrize("name", PAGES)
def test_figures_the_page_shows_are_there(name):
    for line in (ROOT / "research" / name).read_text().splitlines():
        if line.startswith("!["):
            assert (
                (ROOT / "research" / name).parent / line.partition("(")[2].rstrip(")")
            ).is_file(), line
