import pytest
from omegaconf import OmegaConf

from bench.rows.store import Store
from bench.runs import perform as performing
from bench.runs.plan import Plan
from bench.runs.sweep import sweep
from bench.schema import FAILED, OK, UserError

TINY = ("dataset=synthetic", "model=resnet8", "model.width=4", "steps=1", "batch_size=16")


class Launcher:
    """Performs packs in this process, as Hydra's basic launcher does; `deaths` says which launches die at once."""

    def __init__(self, settings, deaths=()):
        self.settings, self.deaths, self.launches = settings, deaths, []

    def __call__(self, packs):
        self.launches.append(len(packs))
        if len(self.launches) in self.deaths:
            raise ChildProcessError("killed")
        for pack in packs:
            text = pack.removeprefix("pack='").removesuffix("'")
            performing.perform(OmegaConf.create({**self.settings, "pack": text}))


@pytest.fixture
def settings(tmp_path):
    tracking = {"name": "off"}
    machine = {"device": "cpu", "threads": 1, "data": "data", "download": False}
    return machine | {"results": str(tmp_path), "tracking": tracking, "packing": 2, "attempts": 3, "retry": None}


@pytest.fixture
def swept(tmp_path, settings):
    """Sweep these runs and return the launcher that was used."""

    def swept(runs, deaths=(), **changes):
        launcher = Launcher(settings | changes, deaths)
        sweep(Plan("mine", runs, skipped=0), Store(tmp_path, "mine"), launcher, settings | changes)
        return launcher

    return swept


def rows(tmp_path):
    return Store(tmp_path, "mine").read().rows


def test_a_sweep_leaves_a_row_for_every_run_and_says_what_it_set_out_to_do(runs_of, swept, tmp_path):
    runs = runs_of(*TINY, "seed=range(3)")
    assert swept(runs).launches == [2]
    assert set(rows(tmp_path)) == {run.id for run in runs}
    assert Store(tmp_path, "mine").read_plan() == [run.id for run in runs]


def test_the_same_sweep_again_launches_nothing_and_rewrites_nothing(runs_of, swept, tmp_path):
    runs = runs_of(*TINY, "seed=range(3)")
    swept(runs)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("mine/*.json")}
    assert swept(runs).launches == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("mine/*.json")} == before


def test_adding_a_seed_runs_the_new_runs_alone(runs_of, swept, tmp_path):
    swept(runs_of(*TINY, "seed=0,1"))
    before = {path.name for path in tmp_path.glob("mine/*.json")}
    assert swept(runs_of(*TINY, "seed=0,1,2"), packing=1).launches == [1]
    assert len({path.name for path in tmp_path.glob("mine/*.json")} - before) == 1


def test_a_half_written_row_is_named_moved_aside_and_its_run_done_again(runs_of, swept, tmp_path, capsys):
    runs = runs_of(*TINY, "seed=0,1")
    swept(runs)
    victim = tmp_path / "mine" / f"{runs[0].id}.json"
    victim.write_text(victim.read_text()[:100])
    assert swept(runs).launches == [1]
    assert victim.name in capsys.readouterr().err
    assert set(rows(tmp_path)) == {run.id for run in runs}
    assert victim.with_name(f"{victim.name}.broken").exists()


def test_a_launch_whose_processes_die_is_made_again_for_what_is_missing(runs_of, swept, tmp_path):
    runs = runs_of(*TINY, "seed=range(3)")
    assert swept(runs, deaths=(1, 2)).launches == [2, 3, 3]  # packs of one from the second on
    assert {row.status for row in rows(tmp_path).values()} == {OK}


def test_a_run_whose_process_always_dies_is_recorded_as_killed(runs_of, swept, tmp_path):
    runs = runs_of(*TINY, "seed=range(2)")
    assert len(swept(runs, deaths=range(1, 99)).launches) == 3
    assert {row.error["class"] for row in rows(tmp_path).values()} == {"killed"}


def test_a_failed_run_is_done_again_only_when_asked_and_its_old_row_is_kept(runs_of, swept, tmp_path):
    runs = runs_of(*TINY, "seed=range(2)")
    swept(runs, deaths=range(1, 99))
    assert swept(runs).launches == []
    assert {row.status for row in rows(tmp_path).values()} == {FAILED}
    assert swept(runs, retry="failed").launches == [1]
    assert {row.status for row in rows(tmp_path).values()} == {OK}
    assert len(list(tmp_path.glob("mine/*.retried"))) == 2
    with pytest.raises(UserError, match="write retry=failed"):
        swept(runs, retry="all")


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        (("initializer=variance_scaling", "initializer.mode=fan"), "fan_in"),
        (("initializer.scale=-1",), "scale"),
        (("model.depth=9",), "6n"),
        (("dataset=cifar10",), "download=true"),
        (("dataset.subset=abc",), "subset takes int | None, not 'abc'"),
        (("dataset.checksum=wrong",), "wrong"),
        (("batch_size=0",), "nothing is trained with batch_size=0"),
        (("steps=0",), "nothing is trained with steps=0"),
        (("warmup_steps=-1",), "below 0"),
        (("label_smoothing=2.0",), "give 0 to 1"),
        (("optimizer.learning_rate=-1",), "optimizer sgd: Invalid learning rate"),
    ],
)
def test_a_mistake_in_a_part_is_found_before_anything_is_trained(runs_of, swept, tmp_path, overrides, sentence):
    changed = {one.partition("=")[0] for one in overrides}
    base = [one for one in TINY if one.partition("=")[0] not in changed]
    with pytest.raises(UserError, match=sentence):
        swept(runs_of(*base, *overrides, "seed=0,1"))
    assert list((tmp_path / "mine").glob("*")) == []


def test_a_row_of_another_schema_is_never_trained_over(runs_of, swept, tmp_path):
    runs = runs_of(*TINY, "seed=0,1")
    swept(runs)
    foreign = tmp_path / "mine" / f"{runs[0].id}.json"
    foreign.write_text(foreign.read_text().replace('"schema": 1', '"schema": 99'))
    content = foreign.read_text()
    with pytest.raises(UserError, match="schema 99"):
        swept(runs)
    assert foreign.read_text() == content


def test_a_folder_that_cannot_be_written_is_a_mistake(runs_of, settings, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="results=DIR"):
        sweep(Plan("mine", runs_of(*TINY), 0), Store(tmp_path / "file", "mine"), Launcher(settings), settings)


def test_a_mode_of_tracking_that_does_not_exist_is_a_mistake(runs_of, swept):
    with pytest.raises(UserError, match=r"tracking\.mode"):
        swept(runs_of(*TINY), tracking={"name": "wandb", "mode": "sometimes"})
