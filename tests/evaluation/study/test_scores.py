"""Simulated raters: their preferences come back, and bad ones are found."""

import json

import numpy as np
import pytest

from metamer.evaluation.study.answers import read_keys, read_votes
from metamer.evaluation.study.raters import judge_raters, pair_agreement
from metamer.evaluation.study.scores import bradley_terry, resampled_weights, score_votes
from tests.conftest import inside
from tests.evaluation.study.raters import plain_key, simulated

STRENGTHS = {"ours": 150.0, "theirs": 0.0, "old": -150.0}  # mean 0, as scores


def write_answers(folder, raters: list[dict], key: dict):
    """Files of answers, and the key above them."""
    (folder / "page.key.json").write_text(json.dumps(key))
    paths = []
    for number, answers in enumerate(raters):
        paths.append(folder / "answers" / f"{number}.json")
        paths[-1].parent.mkdir(exist_ok=True)
        paths[-1].write_text(json.dumps(answers))
    return paths


@pytest.fixture(scope="module")
def key():
    return plain_key(list(STRENGTHS), [0.15, 0.3], 8)


@pytest.fixture
def paths(tmp_path, key):
    """Six good raters, one who leans to the left, one who tosses a coin."""
    raters = [simulated(key, f"good {seed}", STRENGTHS, seed) for seed in range(6)]
    raters.append(simulated(key, "leaning", STRENGTHS, 50, "left"))
    raters.append(simulated(key, "coin", STRENGTHS, 51, "random"))
    return write_answers(tmp_path, raters, key)


def test_scores_of_two_codecs_are_the_logit_of_their_wins():
    wins = np.array([[0, 300.0], [100.0, 0]])
    difference = np.subtract(*bradley_terry(wins))
    assert difference == pytest.approx(400 * np.log10(300.5 / 100.5), abs=0.01)
    always = bradley_terry(np.array([[0, 20.0], [0, 0]]))
    assert np.isfinite(always).all() and always[0] > always[1]


def test_scores_of_three_are_those_that_maximise_the_likelihood():
    from scipy.optimize import minimize

    wins = np.array([[0, 30.0, 25], [14, 0, 40], [9, 6, 0]])
    padded = wins + 0.5 * (1 - np.eye(3))

    def loss(points):
        lead = (points[:, None] - points) * np.log(10) / 400
        return (padded * np.logaddexp(0, -lead)).sum()

    best = minimize(loss, np.zeros(3), tol=1e-10).x
    assert bradley_terry(wins) == pytest.approx(best - best.mean(), abs=0.1)


def test_preferences_come_back_within_their_intervals():
    """In many studies the 95 % intervals hold the truth nearly as often as they say."""
    covered = []
    for study in range(25):
        key = plain_key(list(STRENGTHS), [0.3], 12, catches=0)
        votes = votes_of(
            [simulated(key, str(r), STRENGTHS, 100 * study + r) for r in range(8)], key
        )
        for score in score_votes(votes, samples=150, seed=study):
            covered.append(score.low <= STRENGTHS[score.codec] <= score.high)
            assert abs(score.score - STRENGTHS[score.codec]) < 150
    # a pigeonhole bootstrap is on the safe side
    assert np.mean(covered) >= 0.92


def votes_of(raters: list[dict], key: dict):
    from metamer.evaluation.study.answers import vote_of

    return [
        vote_of(rater["rater"], answer, key["trials"])
        for rater in raters
        for answer in rater["answers"]
    ]


def test_intervals_narrow_with_raters(key):
    def width(count: int) -> float:
        raters = [simulated(key, str(seed), STRENGTHS, seed) for seed in range(count)]
        return np.mean(
            [score.high - score.low for score in score_votes(votes_of(raters, key), 200)]
        )

    assert width(24) < 0.75 * width(3)


def test_resamples_draw_whole_raters_and_whole_pictures():
    raters, pictures = (part.ravel() for part in np.indices((4, 5)))
    rng = np.random.default_rng(0)
    resampled = np.array(
        [resampled_weights(raters, pictures, rng).reshape(4, 5) for _ in range(400)]
    )
    assert (resampled.sum((1, 2)) == 20).all() and resampled.mean() == pytest.approx(1, abs=0.01)
    # what is drawn is a product of how often the rater and the picture were
    assert all(np.linalg.matrix_rank(weights) == 1 for weights in resampled)
    of_one_rater = resampled_weights(np.zeros(5, int), np.arange(5), rng)
    assert of_one_rater.sum() == 5 and len(set(of_one_rater)) > 1
    sparse = [resampled_weights(np.arange(2), np.arange(2), rng) for _ in range(50)]
    assert all(weights.any() for weights in sparse)


def test_bad_raters_are_found(paths):
    raters = {rater.name: rater for rater in judge_raters(read_votes(paths, read_keys([], paths)))}
    assert {name for name, rater in raters.items() if rater.fault} == {"leaning", "coin"}
    assert "ruined" in raters["coin"].fault
    good = raters["good 0"]
    assert good.degraded == (8, 8) and good.identical == (1, 1) and good.repeats[1] == 16
    assert raters["leaning"].left == (73, 73)


def test_agreement_is_with_the_majority_of_the_others():
    key = plain_key(list(STRENGTHS), [0.3], 1, catches=0)
    (trial, *_) = key["trials"]
    choices = {"a": "first", "b": "first", "c": "first", "d": "second", "e": "same"}
    answers = [
        {
            "rater": rater,
            "answers": [{"trial": trial, "choice": choice, "left": "first", "milliseconds": 9}],
        }
        for rater, choice in choices.items()
    ]
    agreement = {rater.name: rater.agreement for rater in judge_raters(votes_of(answers, key))}
    assert agreement == {"a": (1, 1), "b": (1, 1), "c": (1, 1), "d": (0, 1), "e": (0, 0)}


def test_who_sees_every_ruin_but_leans_does_not_count(key):
    answers = simulated(key, "leaning", STRENGTHS, 1)
    for answer in answers["answers"]:
        if key["trials"][answer["trial"]]["kind"] in ("pair", "repeat"):
            answer["choice"] = answer["left"]
    (rater,) = judge_raters(votes_of([answers], key))
    assert rater.degraded == (8, 8) and "left" in rater.fault


def test_repeats_count_by_what_was_liked_and_not_by_its_side(key):
    answers = simulated(key, "firm", STRENGTHS, 1)
    for answer in answers["answers"]:
        codecs = [key["trials"][answer["trial"]][side]["codec"] for side in ("first", "second")]
        answer["choice"] = "first" if codecs[0] < codecs[1] else "second"
    (rater,) = judge_raters(votes_of([answers], key))
    assert rater.repeats == (16, 16)


def test_agreement_is_that_of_two_drawn_raters(key):
    identical = [simulated(key, name, STRENGTHS, 3) for name in "ab"]
    assert pair_agreement(votes_of(identical, key)) == 1
    assert np.isnan(pair_agreement(votes_of(identical[:1], key)))
    for answer in identical[1]["answers"][:25]:
        answer["choice"] = "same"
    assert pair_agreement(votes_of(identical, key)) < 1


def test_the_command_scores_names_and_draws(paths, tmp_path):
    figure = tmp_path / "scores.svg"
    completed = inside("study", "score", *paths, "--json", "--samples", 200, "--figure", figure)
    assert completed.returncode == 0, completed.stderr
    summary = json.loads(completed.stdout)
    assert [rater["name"] for rater in summary["raters"] if not rater["counted"]] == [
        "leaning",
        "coin",
    ]
    for group in (None, 0.15, 0.3):
        group_scores = [score for score in summary["scores"] if score["group"] == group]
        assert [score["codec"] for score in group_scores] == ["ours", "theirs", "old"]
        assert all(score["low"] < score["score"] < score["high"] for score in group_scores)
        assert sum(score["score"] for score in group_scores) == pytest.approx(0, abs=1e-6)
        assert (
            sum(score["preferred"] * score["votes"] for score in group_scores)
            == group_scores[0]["votes"] * 1.5
        )
    assert "ours" in figure.read_text() and "6 raters" in figure.read_text()
    table = inside("study", "score", *paths, "--samples", 100).stdout.decode()
    assert "| all | ours | +" in table and "no: saw " in table and "of pairs" in table
    everyone = json.loads(
        inside("study", "score", *paths, "--json", "--samples", 100, "--all-raters").stdout
    )
    assert all(rater["counted"] for rater in everyone["raters"])
    assert everyone["scores"][0]["votes"] == summary["scores"][0]["votes"] * 8 / 6


def test_without_rates_there_is_one_group_and_rows_in_the_figure(tmp_path, key):
    for trial in key["trials"].values():
        trial["rate"] = trial["first"]["rate"] = trial["second"]["rate"] = None
    paths = write_answers(tmp_path, [simulated(key, "a", STRENGTHS, 1)], key)
    figure = tmp_path / "scores.svg"
    completed = inside("study", "score", *paths, "--json", "--samples", 100, "--figure", figure)
    assert {score["group"] for score in json.loads(completed.stdout)["scores"]} == {None}
    assert "ours" in figure.read_text()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda answers: answers.update(kind="other"), "is not a file of metamer study answers"),
        (lambda answers: answers.update(study="other"), "whose key is not here"),
        (lambda answers: answers["answers"][0].update(trial="x"), "is damaged"),
        (lambda answers: answers["answers"][0].update(choice="third"), "is damaged"),
        (lambda answers: answers.pop("answers"), "is damaged"),
        (lambda answers: answers.update(answers=[]), "no answers"),
        (lambda answers: answers.update(answers=answers["answers"][-1:]), "compared two codecs"),
    ],
)
def test_bad_answers_are_one_line(tmp_path, key, change, message):
    answers = simulated(key, "a", STRENGTHS, 1)
    change(answers)
    completed = inside("study", "score", *write_answers(tmp_path, [answers], key))
    assert completed.returncode == 1 and message in completed.stderr.decode()
    assert len(completed.stderr.decode().splitlines()) == 1 and not completed.stdout


def test_missing_keys_and_raters_twice_are_one_line(tmp_path, key):
    paths = write_answers(tmp_path, [simulated(key, "a", STRENGTHS, seed) for seed in (1, 2)], key)
    assert "both of rater a" in inside("study", "score", *paths).stderr.decode()
    (tmp_path / "page.key.json").unlink()
    assert "--key" in inside("study", "score", paths[0]).stderr.decode()
    assert "cannot draw" in inside("study", "score", paths[0], "--figure", "x.doc").stderr.decode()
