"""Report's statistics against scipy on 20 random cases each, and the signed-rank test with ties against all 2^n signs."""
import itertools
import os
import subprocess

import numpy
import scipy.stats

DRIVER = os.path.join(os.environ["RUNNER_BUILD"], "tests", "statistics_driver")
CASES = 20


def ask(questions):
    text = "\n".join(" ".join(str(word) for word in question) for question in questions)
    answer = subprocess.run([DRIVER], input=text, capture_output=True, text=True, check=True).stdout
    return [[float(word) for word in line.split()] for line in answer.splitlines()]


def pairs(random):
    n = int(random.integers(2, 16))
    a = random.normal(90, 0.4, n)
    return a, a - random.normal(random.uniform(-0.5, 0.5), 0.3, n)


def test_intervals_are_those_of_students_t():
    random = numpy.random.default_rng(1)
    samples = [random.normal(90, 2, random.integers(2, 20)) for _ in range(CASES)]
    for values, ours in zip(samples, ask([["sample", len(v), *map(repr, map(float, v))] for v in samples])):
        low, high = scipy.stats.t.interval(0.95, len(values) - 1, values.mean(), scipy.stats.sem(values))
        numpy.testing.assert_allclose(ours, [values.mean(), values.std(ddof=1), low, high], rtol=1e-9)


def test_paired_tests_agree_with_scipy():
    random = numpy.random.default_rng(2)
    cases = [pairs(random) for _ in range(CASES)]
    answers = ask([["paired", len(a), *map(repr, map(float, a)), *map(repr, map(float, b))] for a, b in cases])
    for (a, b), (n, difference, low, high, t, p_t, rank_sum, p_rank) in zip(cases, answers):
        theirs = scipy.stats.ttest_rel(a, b)
        bounds = scipy.stats.t.interval(0.95, len(a) - 1, (a - b).mean(), scipy.stats.sem(a - b))
        numpy.testing.assert_allclose([n, difference, t, p_t], [len(a), (a - b).mean(), theirs.statistic, theirs.pvalue], rtol=1e-7)
        numpy.testing.assert_allclose([low, high], bounds, rtol=1e-7)
        ranks = scipy.stats.wilcoxon(a, b, mode="exact")
        total = len(a) * (len(a) + 1) / 2
        assert min(rank_sum, total - rank_sum) == ranks.statistic
        numpy.testing.assert_allclose(p_rank, ranks.pvalue, rtol=1e-9)


def exact_by_enumeration(differences):
    differences = numpy.array([d for d in differences if d != 0])
    ranks = scipy.stats.rankdata(abs(differences))
    observed = ranks[differences > 0].sum()
    smaller = min(observed, ranks.sum() - observed)
    sums = [sum(r for r, up in zip(ranks, signs) if up) for signs in itertools.product((0, 1), repeat=len(ranks))]
    return min(1.0, 2 * sum(s <= smaller + 1e-9 for s in sums) / len(sums))


def test_signed_ranks_with_ties_and_zeros_are_exact():
    random = numpy.random.default_rng(3)
    cases = [random.integers(-3, 4, random.integers(3, 12)).astype(float) for _ in range(CASES)]
    cases = [case for case in cases if case.any()]
    answers = ask([["paired", len(case), *case, *([0] * len(case))] for case in cases])
    for case, answer in zip(cases, answers):
        numpy.testing.assert_allclose(answer[7], exact_by_enumeration(case), rtol=1e-12)


def test_holm_is_the_step_down_procedure():
    random = numpy.random.default_rng(4)
    cases = [random.uniform(0, 0.2, random.integers(1, 9)) for _ in range(CASES)]
    for p, ours in zip(cases, ask([["holm", len(p), *map(repr, map(float, p))] for p in cases])):
        theirs, largest = numpy.empty(len(p)), 0.0
        for place, index in enumerate(numpy.argsort(p)):
            largest = max(largest, min(1.0, (len(p) - place) * p[index]))
            theirs[index] = largest
        numpy.testing.assert_allclose(ours, theirs, rtol=1e-12)


def test_mcnemar_is_the_binomial_test_on_the_disagreements():
    random = numpy.random.default_rng(5)
    cases = random.integers(0, 200, (CASES, 2)).tolist() + [[0, 0], [0, 1], [7, 7]]
    for (first, second), (ours,) in zip(cases, ask([["mcnemar", *case] for case in cases])):
        theirs = scipy.stats.binomtest(first, first + second, 0.5).pvalue if first + second else 1.0
        numpy.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_bootstrap_intervals_are_scipys_but_for_resampling_noise():
    random = numpy.random.default_rng(6)
    cases = [random.choice([-1.0, 0.0, 1.0], 1000, p=[0.03, 0.9, 0.07]) for _ in range(CASES)]
    answers = ask([["bootstrap", i, len(case), *case] for i, case in enumerate(cases)])
    for case, ours in zip(cases, answers):
        theirs = scipy.stats.bootstrap((case,), numpy.mean, n_resamples=9999, method="percentile", random_state=random,
                                       batch=1000).confidence_interval
        width = theirs.high - theirs.low
        numpy.testing.assert_allclose(ours, [theirs.low, theirs.high], atol=0.07 * width)
    again = ask([["bootstrap", 0, len(cases[0]), *cases[0]]])
    assert again[0] == answers[0]


for name, test in list(globals().items()):
    if name.startswith("test_"):
        test()
        print("ok", name)
