from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from bench.runs.pack import as_override, from_text, packs, shape
from bench.schema import Run


def test_a_pack_holds_runs_of_one_shape_and_no_more_than_its_size(runs_of):
    runs = runs_of("seed=range(3)", "model=resnet8,plain8", "initializer=he_normal,orthogonal")
    made = packs(runs, 4)
    assert sorted(run.id for pack in made for run in pack) == sorted(run.id for run in runs)
    assert [len(pack) for pack in made] == [4, 4, 2, 2]
    assert all(len({shape(run) for run in pack}) == 1 for pack in made)


def test_what_costs_differently_has_another_shape(runs_of):
    assert len({shape(run) for run in runs_of("epochs=1,2", "activation=relu,tanh", "seed=0,1")}) == 4


def test_a_pack_survives_the_way_through_hydra():
    odd = Run(
        "mine", {"dataset.folder": 'it\'s a "folder" \\ with, commas={x}, ${y} and é', "seed": 1}, {"task": "train"}
    )
    (override,) = OverridesParser.create().parse_overrides([as_override([odd, odd], "sweep-1")])
    arrived = from_text(OmegaConf.create({"pack": override.value()}).pack)
    assert arrived == ([odd, odd], "sweep-1")
    assert arrived[0][0].id == odd.id
