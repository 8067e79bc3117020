"""The page on distances says what the registry and the recorded results say."""

from evaluation import documentation
from perception import metrics


def test_the_page_is_up_to_date():
    assert documentation.PAGE.read_text() == documentation.page(), "run python -m evaluation.documentation"


def test_every_metric_was_judged_and_every_trainable_one_put_to_the_recovery_test():
    judged = {row["metric"] for row in documentation.read("tid2013-resim")}
    recovered = {row["metric"].partition(":")[0] for row in documentation.read("recoveries-noise")}
    assert set(metrics()) <= judged
    assert {name for name, metric in metrics().items() if metric.trainable} <= recovered


def test_figures_the_page_shows_are_there():
    page = documentation.PAGE.read_text()
    for line in page.splitlines():
        if line.startswith("!["):
            assert (documentation.FOLDER / line.partition("(")[2].rstrip(")")).is_file(), line
