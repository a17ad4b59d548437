from bench.plan.shape import by_shape, packs, shape


def test_runs_of_one_shape_are_found_together_in_their_order(runs_of):
    runs = runs_of("seed=range(3)", "model=resnet8,plain8", "initializer=he_normal,orthogonal")
    found = by_shape(runs)
    assert [len(alike) for alike in found.values()] == [6, 6]
    assert all({shape(run) for run in alike} == {of} for of, alike in found.items())
    assert [run for alike in found.values() for run in alike] == sorted(
        runs, key=lambda run: run.choices["model"] == "plain8"
    )


def test_a_pack_holds_no_more_runs_than_its_size_and_none_is_lost(runs_of):
    runs = runs_of("seed=range(10)")
    made = packs(runs, 4)
    assert [len(pack) for pack in made] == [4, 4, 2]
    assert [run for pack in made for run in pack] == runs


def test_what_costs_differently_has_another_shape(runs_of):
    assert len({shape(run) for run in runs_of("epochs=1,2", "activation=relu,tanh", "seed=0,1")}) == 4


def test_an_initializer_that_asks_for_other_blocks_makes_another_shape(runs_of):
    runs = runs_of("normalization=none", "initializer=he_normal,orthogonal,fixup")
    assert len({shape(run) for run in runs}) == 2
