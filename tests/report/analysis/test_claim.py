"""Planted rows have the verdict that they were planted for, and scipy has the same p."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from bench import catalogue
from bench.machine.settings import Claim
from bench.report.analysis.claim import check_arms, evidence, judged
from bench.report.statistics import holm, sequential
from bench.report.tables.claims import of_paper, record
from bench.report.wording.claim import controls, sentences, summary
from bench.schema import PREEMPTED, UserError

NOISE = [0.3, -0.2, 0.1, -0.4, 0.2, 0.0, -0.1, 0.4, -0.3, 0.1, 0.2, -0.2]


@pytest.fixture
def claim():
    """A claim with the defaults of conf/, whose test has these changes."""

    def make(changes=None, **fields):
        shared = catalogue.load(catalogue.CONF / "settings.yaml")["study"]
        base = catalogue.load(catalogue.CONF / "study" / "claim.yaml")
        test = base["test"] | {"arms": ["he_normal", "fixup"]} | (changes or {})
        said = {"says": "He is better.", "source": "a test", "looks": [], "test": test}
        return Claim.read(shared | base | said | fields)

    return make


@pytest.fixture
def planted(arm):
    """Rows of two arms, their accuracies this far apart in points."""

    def make(apart, ours="he_normal", theirs="fixup", **settings):
        first = [(90 + apart + one) / 100 for one in NOISE]
        second = [(90 + one) / 100 for one in reversed(NOISE)]
        return [*arm(ours, first, **settings), *arm(theirs, second, **settings)]

    return make


def verdict(claim, rows, unfit=()):
    return judged([evidence(claim, rows, unfit)])[0]


def differences(apart):
    return np.array([apart + one - other for one, other in zip(NOISE, reversed(NOISE), strict=True)])


@pytest.mark.parametrize(
    ("direction", "apart", "expected"),
    [
        ("greater", 3.0, "supported"),
        ("greater", -3.0, "refuted"),
        ("greater", 0.0, "refuted"),
        ("greater", 0.3, "supported"),
        ("less", -3.0, "supported"),
        ("less", 3.0, "refuted"),
        ("less", 0.0, "refuted"),
        ("equivalent", 0.0, "supported"),
        ("equivalent", 3.0, "refuted"),
        ("equivalent", -3.0, "refuted"),
        ("equivalent", 1.0, "undecided"),
        ("noninferior", -0.1, "supported"),
        ("noninferior", 3.0, "supported"),
        ("noninferior", -3.0, "refuted"),
        ("noninferior", -1.0, "undecided"),
    ],
)
def test_accuracies_have_the_verdict_that_they_were_planted_for(claim, planted, direction, apart, expected):
    found = verdict(claim({"direction": direction, "margin": 1.0}), planted(apart))
    assert found.verdict == expected
    assert sentences(found)[0].lower().startswith(expected)


def test_a_claim_of_a_size_is_refuted_by_a_smaller_one(claim, planted):
    assert verdict(claim({"by": 2.0}), planted(3.0)).verdict == "supported"
    assert verdict(claim({"by": 4.0}), planted(3.0)).verdict == "refuted"


def test_a_paper_says_how_many_claims_are_borne_out_and_which_have_no_runs(claim, planted):
    found = judged(
        [
            evidence(claim(name="good"), planted(3.0)),
            evidence(claim(name="bad"), planted(-3.0)),
            evidence(claim(name="later"), [replace(one, status=PREEMPTED) for one in planted(3.0)]),
            evidence(claim(name="never", untestable="it needs a lake"), []),
        ]
    )
    assert summary(found)[:-1] == [
        "Published sentences by the verdict on them: 1 supported, 1 refuted and 0 undecided.",
        "Without runs here: later.",
        "Untestable by this benchmark: never.",
    ]
    verdicts, contrasts = of_paper(found)
    assert [line[0].value for line in verdicts.lines] == ["good", "bad"]
    assert [line[4].text for line in verdicts.lines] == ["supported", "refuted"]
    assert [line[2].text for line in contrasts.lines] == ["he_normal", "fixup"] * 2


def test_a_difference_below_the_margin_is_said_to_be_small(claim, planted):
    assert "below 1 point, the margin of this claim" in " ".join(sentences(verdict(claim(), planted(0.3))))


@pytest.mark.parametrize("apart", [0.4, -0.7, 1.2])
def test_scipy_has_the_same_p(claim, planted, apart):
    found = evidence(claim({"margin": 0.9}), planted(apart))
    assert found.support == pytest.approx(
        stats.ttest_1samp(differences(apart), 0, alternative="greater").pvalue, rel=1e-6
    )
    assert found.refute == pytest.approx(
        stats.ttest_1samp(differences(apart), 0.9, alternative="less").pvalue, rel=1e-6
    )


def test_the_p_of_several_arms_and_blocks_is_the_largest_for_it_and_the_smallest_against_it(claim, planted, arm):
    rows = planted(2.0) + planted(0.5, activation="tanh")
    one = claim({"margin": 0.9})
    found = evidence(one, rows)
    expected = [stats.ttest_1samp(differences(apart), 0, alternative="greater").pvalue for apart in (2.0, 0.5)]
    below = [stats.ttest_1samp(differences(apart), 0.9, alternative="less").pvalue for apart in (2.0, 0.5)]
    assert found.support == pytest.approx(max(expected), rel=1e-6)
    assert found.refute == pytest.approx(2 * min(below), rel=1e-6)
    assert evidence(claim({"where": {"activation": "relu"}}), rows).support == pytest.approx(expected[0], rel=1e-6)


def test_an_arm_that_does_not_train_has_no_accuracy_to_compare(claim, arm):
    rows = [*arm("he_normal", [0.9] * 12), *arm("fixup", [0.1] * 12)]
    found = verdict(claim(), rows)
    assert found.verdict == "untestable"
    assert sentences(found) == ["Untestable here: fixup trained with 0 of 12 seeds, too few to compare accuracies."]


def test_an_arm_that_does_not_fit_its_model_cannot_be_tested(claim, planted):
    found = verdict(claim(), planted(1.0), ["fixup does not fit plain14: it has no branches"])
    assert (found.verdict, sentences(found)) == (
        "untestable",
        ["Untestable here: fixup does not fit plain14: it has no branches."],
    )


@pytest.mark.parametrize(
    ("direction", "trained", "expected"),
    [
        ("greater", (12, 0), "supported"),
        ("greater", (0, 12), "refuted"),
        ("greater", (12, 12), "refuted"),
        ("greater", (7, 5), "undecided"),
        ("equivalent", (12, 12), "supported"),
        ("equivalent", (12, 0), "refuted"),
        ("noninferior", (12, 12), "supported"),
    ],
)
def test_rates_of_training_have_the_verdict_that_they_were_planted_for(claim, arm, direction, trained, expected):
    rows = [
        row
        for name, count in zip(("he_normal", "fixup"), trained, strict=True)
        for row in arm(name, [0.9] * count + [0.1] * (12 - count))
    ]
    test = {"estimand": "training_rate", "direction": direction, "margin": 0.5}
    assert verdict(claim(test), rows).verdict == expected


def test_scipy_has_the_same_p_of_rates(claim, arm):
    rows = [*arm("he_normal", [0.9] * 9 + [0.1] * 3), *arm("fixup", [0.9] * 4 + [0.1] * 8)]
    found = evidence(claim({"estimand": "training_rate", "margin": 0.5}), rows)
    expected = stats.boschloo_exact([[9, 4], [3, 8]], alternative="greater", n=256).pvalue
    assert found.support == pytest.approx(expected, rel=0.01)


def test_over_a_grid_a_seed_has_trained_where_it_has_at_one_rate(claim, arm):
    test = {"estimand": "training_rate", "margin": 0.5, "rate": "grid"}
    rows = [
        *arm("he_normal", [0.9, 0.1] * 6, optimizer__learning_rate=0.01),
        *arm("he_normal", [0.1, 0.9] * 6, optimizer__learning_rate=0.1),
        *arm("fixup", [0.1] * 12, optimizer__learning_rate=0.01),
        *arm("fixup", [0.1] * 12, optimizer__learning_rate=0.1),
    ]
    found = verdict(claim(test), rows)
    (contrast,) = found.evidence.contrasts
    assert (contrast.ours.trained, contrast.ours.ended, contrast.theirs.trained) == (12, 12, 0)
    assert found.verdict == "supported"


def test_accuracies_after_an_epoch_count_a_diverged_run_as_chance(claim, arm, row):
    rows = arm("he_normal", [0.9] * 12)
    for one, noise in zip(rows, NOISE, strict=True):
        one.measures["first_epoch_accuracy"] = (50 + noise) / 100
    rows += [row("fixup", seed, status="diverged") for seed in range(12)]
    found = verdict(claim({"estimand": "first_epoch_accuracy"}), rows)
    assert found.verdict == "supported"
    assert found.evidence.contrasts[0].test.estimate().value == pytest.approx(40 + np.mean(NOISE))


@pytest.mark.parametrize(
    ("factor", "by", "expected"), [(0.5, 0.0, "supported"), (1.0, 0.0, "refuted"), (0.5, 87.0, "refuted")]
)
def test_steps_to_a_loss_are_compared_as_a_factor(claim, arm, factor, by, expected):
    rows = []
    for name, scale in (("he_normal", factor), ("fixup", 1.0)):
        made = arm(name, [0.9] * 12)
        for place, one in enumerate(made):
            steps = 200 * scale * (1 + NOISE[place if scale == 1 else -1 - place] / 20)
            one.measures |= {"steps_to_loss": steps, "steps": 1000}
        rows += made
    found = verdict(claim({"estimand": "steps_to_loss", "direction": "less", "margin": 1.25, "by": by}), rows)
    assert found.verdict == expected
    estimate = found.evidence.contrasts[0].test.estimate()
    assert math.exp(estimate.value) == pytest.approx(factor, rel=0.02)


def test_the_best_rate_of_a_seed_is_that_of_its_best_run_by_validation(claim, arm):
    rows = []
    for name, best in (("he_normal", (0.01, 0.04)), ("fixup", (0.16, 0.64))):
        for rate in (0.01, 0.04, 0.16, 0.64):
            made = arm(name, [0.5] * 12, optimizer__learning_rate=rate)
            for place, one in enumerate(made):
                one.measures["validation_accuracy"] = 0.9 if rate == best[place % 4 == 0] else 0.3
            rows += made
    rows = [replace(one, status="diverged") if one.choices["optimizer.learning_rate"] == 0.64 else one for one in rows]
    found = verdict(claim({"estimand": "best_rate", "direction": "less", "margin": 2.0, "rate": "grid"}), rows)
    (contrast,) = found.evidence.contrasts
    assert contrast.ours.value.value == pytest.approx(0.01 * 4**0.25)
    assert contrast.theirs.value.value == pytest.approx(
        (0.16**9 * 0.01**3) ** (1 / 12)
    )  # 0.64 diverged: the lowest of equals
    assert found.verdict == "supported"


def test_a_run_that_never_reached_the_loss_counts_as_if_at_the_end_of_the_budget(claim, arm):
    fast, slow = arm("he_normal", [0.9] * 12), arm("fixup", [0.2] * 12)
    for one in fast:
        one.measures |= {"steps_to_loss": 100, "steps": 800}
    for one in slow:
        one.measures |= {"steps_to_loss": None, "steps": 800}
    slow[0] = replace(slow[0], status="diverged", measures={"steps": 3, "steps_to_loss": None})
    found = evidence(claim({"estimand": "steps_to_loss", "direction": "less", "margin": 1.25}), [*fast, *slow])
    assert found.contrasts[0].theirs.value.value == pytest.approx(800)


def test_arms_may_differ_in_more_than_their_initializer(claim, planted, arm):
    arms = [{"initializer": "fixup", "normalization": "none"}, {"initializer": "he_normal", "normalization": "batch"}]
    rows = [
        *arm("fixup", [(91 + one) / 100 for one in NOISE], normalization="none"),
        *arm("he_normal", [(90 + one) / 100 for one in reversed(NOISE)], normalization="batch"),
        *arm("he_normal", [0.1] * 12, normalization="none"),
    ]
    found = verdict(claim({"arms": arms, "direction": "noninferior"}), rows)
    (contrast,) = found.evidence.contrasts
    assert (contrast.ours.name, contrast.theirs.name, found.verdict) == ("fixup/none", "he_normal/batch", "supported")


def test_runs_without_an_outcome_leave_a_claim_undecided_and_none_at_all_leave_it_unjudged(claim, planted):
    rows = planted(3.0)
    waiting = [replace(row, status=PREEMPTED, measures={}) for row in rows]
    found = verdict(claim(), [*rows[:-1], waiting[-1]])
    assert (found.verdict, sentences(found)) == (
        "undecided",
        ["Undecided: 1 of its 24 runs have no outcome yet."],
    )
    assert verdict(claim(), waiting).verdict is None


def test_an_undecided_claim_says_how_many_seeds_it_still_needs(claim, planted):
    found = verdict(claim({"direction": "equivalent"}), planted(0.85))
    assert found.verdict == "undecided"
    assert found.needed is not None
    assert found.needed > 12
    assert f"about {found.needed} would decide it" in sentences(found)[0]


def test_a_look_has_its_share_of_the_level_and_between_looks_no_verdict_is_due(claim, planted):
    rows = planted(3.0)
    at = evidence(claim(looks=[12, 24]), rows)
    assert at.share == pytest.approx(sequential.levels([12, 24], 0.05)[0] / 0.05)
    assert judged([at])[0].support == pytest.approx(at.support / at.share)
    between = verdict(claim(looks=[10, 20]), rows)
    assert (between.verdict, between.evidence.share) == ("undecided", 0.0)
    assert sentences(between)[0] == "Undecided: a verdict is due with 10, 20 seeds, and there are 12."


def test_the_claims_are_one_family_and_the_controls_are_outside_of_it(claim, planted):
    parts = [evidence(claim(name=f"claim{n}", control=None), planted(apart)) for n, apart in enumerate((0.2, 0.3, 3.0))]
    control = evidence(claim(name="control", control="supported"), planted(0.2))
    unseen = evidence(claim(name="unseen"), [replace(one, status=PREEMPTED, measures={}) for one in planted(3.0)])
    found = judged([*parts, control, unseen])
    adjusted = holm([*(one.support for one in parts), 1.0])
    assert [one.support for one in found[:3]] == pytest.approx([*adjusted[:3]])
    assert found[3].support == control.support
    assert found[4].verdict is None


def test_a_control_that_has_another_verdict_than_it_must_is_a_warning(claim, planted):
    right, wrong = (
        verdict(claim(name=name, control=known), planted(3.0)) for name, known in (("t", "supported"), ("f", "refuted"))
    )
    lines = controls([right, wrong])
    assert lines[0] == "control t is supported, as it has to be"
    assert "has to be refuted: no verdict here can be believed" in lines[1]


@pytest.mark.parametrize(("tier", "said"), [("exact", False), ("scaled", True), ("proxy", True)])
def test_only_an_exact_setting_speaks_of_the_published_number(claim, planted, tier, said):
    quoted = catalogue.load(catalogue.CONF / "study" / "claim.yaml")["quoted"]
    quoted |= {"values": [95.0, 90.0], "spread": [0.3, 0.3], "n": 5}
    text = " ".join(sentences(verdict(claim(tier=tier, quoted=quoted), planted(1.0))))
    assert ("speaks of the direction" in text) == said
    assert ("The published difference of +5.00 from fixup is wrong by these runs" in text) != said


def test_a_published_difference_that_the_runs_allow_is_said_to_agree(claim, planted):
    quoted = catalogue.load(catalogue.CONF / "study" / "claim.yaml")["quoted"]
    quoted |= {"values": [91.0, 90.0], "spread": [0.3, 0.3], "n": 5}
    assert "agrees with these runs" in " ".join(sentences(verdict(claim(tier="exact", quoted=quoted), planted(1.0))))


def test_a_record_has_the_verdict_and_what_it_rests_on(claim, planted):
    found = record(verdict(claim(name="mine"), planted(3.0)), {"mine": 24})
    assert {key: found[key] for key in ("name", "tier", "verdict", "seeds", "runs")} == {
        "name": "mine",
        "tier": "proxy",
        "verdict": "supported",
        "seeds": 12,
        "runs": 24,
    }
    (contrast,) = found["contrasts"]
    assert contrast["difference"] == pytest.approx(differences(3.0).mean())
    assert contrast["low"] < contrast["difference"] < contrast["high"]


def test_an_arm_that_no_run_has_is_named_with_those_there_are(claim, planted):
    with pytest.raises(UserError, match="no arm is named 'he_norml'"):
        check_arms(claim({"arms": ["he_norml", "fixup"]}), planted(1.0))
    with pytest.raises(UserError, match=r"no run that its axes ask for is at test\.where"):
        check_arms(claim({"where": {"activation": "gelu"}}), planted(1.0))


@pytest.mark.parametrize(
    ("changes", "fields", "said"),
    [
        ({"estimand": "training_rate", "margin": 5.0}, {}, "is a share of the runs below 1, not 5"),
        ({"estimand": "steps_to_loss", "margin": 1.0}, {}, "is a factor above 1, not 1"),
        ({"rate": "grid"}, {}, "grid is for training_rate and best_rate"),
        ({"estimand": "best_rate", "margin": 2.0}, {}, "test.rate of best_rate is grid, not shared"),
        ({"rate": "tuned"}, {}, "needs tune, with values"),
        ({"arms": ["he_normal"]}, {}, "of which there are two or more, all different"),
        ({"arms": ["he_normal", {"initializer": "fixup"}]}, {}, "all names, or all"),
        ({"direction": "better"}, {}, "direction"),
        ({"marginn": 1.0}, {}, "no key of a study is named"),
        ({}, {"until": "decided"}, "a claim takes seeds look after look"),
        ({}, {"tier": "sure"}, "tier"),
    ],
)
def test_a_claim_that_cannot_be_meant_is_refused_in_a_sentence(claim, changes, fields, said):
    with pytest.raises(UserError, match=said):
        claim(changes, **fields)
