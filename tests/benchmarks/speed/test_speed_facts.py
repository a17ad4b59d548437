"""The facts of a GPU: right first, within the time, one row each; a CPU stands in for the GPU."""

import json
import time

import pytest

from bench import __main__ as door
from bench.benchmarks.speed import facts, measure, stages
from bench.benchmarks.speed.facts import Fact, Given
from bench.benchmarks.speed.stages import Stage
from bench.benchmarks.speed.work import run_of, work
from bench.rows.store import Store

WORK = "resnet8/1x8x8"


@pytest.fixture
def given(compose, machine):
    return Given({WORK: run_of(work(WORK), compose, 8, "fp32")}, machine, (1, 2))


class Hung(BaseException):
    """A stage comes to no end."""


class Here:
    """In place of processes and pipes: a stage finds all its facts at once, in this process."""

    def __init__(self):
        self.sent, self.hung, self.exitcode = [], False, 0

    def Pipe(self, duplex):
        return self, self

    def Process(self, target, args, daemon):
        self.work = lambda: target(*args)
        return self

    def start(self):
        self.hung, self.exitcode = False, 0
        try:
            self.work()
        except Hung:
            self.hung = True
        except SystemExit as died:
            self.exitcode = died.code

    def send(self, fact):
        self.sent.append(fact)

    def poll(self, seconds):
        return bool(self.sent) or not self.hung

    def recv(self):
        if not self.sent:
            raise EOFError
        return self.sent.pop(0)

    def close(self):
        pass

    kill = join = close


@pytest.fixture
def staged(monkeypatch, given):
    """The facts of these stages, each with the name of its stage."""

    def staged(**found):
        place = Here()
        monkeypatch.setattr(stages, "Context", lambda: place)
        monkeypatch.setattr(stages, "STAGES", {name: Stage(find, 1.0) for name, find in found.items()})
        return [(stage, fact.name, fact.note) for stage, fact in stages.facts(given, 60.0)]

    return staged


def one(given):
    yield Fact("one", 1.0, "s")


def hanging(given):
    yield Fact("before", 1.0, "s")
    raise Hung


def failing(given):
    yield Fact("before", 1.0, "s")
    raise RuntimeError("no kernel\nfor this")


def dying(given):
    yield Fact("before", 1.0, "s")
    raise SystemExit(134)


def test_what_a_stage_has_found_is_kept_however_it_ends_and_the_next_one_follows(staged):
    found = staged(first=hanging, last=one)
    assert found == [
        *(("first", "before", ""), ("first", "cut", "the stage did not end in its time")),
        ("last", "one", ""),
    ]
    assert staged(first=failing, last=one)[1:] == [
        ("first", "failed", "RuntimeError: no kernel"),
        ("last", "one", ""),
    ]


def test_a_stage_whose_process_dies_says_so(staged):
    assert staged(first=dying, last=one)[1:] == [
        ("first", "died", "the process of the stage died"),
        ("last", "one", ""),
    ]


def test_a_stage_leaves_its_time_to_those_that_follow(given, monkeypatch):
    now, given_to = [0.0], {}

    def in_process(name, given, seconds):
        given_to[name] = seconds
        now[0] += {"first": 1.0, "second": 30.0}.get(name, 0.0)
        return iter(())

    monkeypatch.setattr(stages, "in_process", in_process)
    monkeypatch.setattr(stages.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(
        stages, "STAGES", {"first": Stage(one, 1.0), "second": Stage(one, 2.0), "third": Stage(one, 1.0)}
    )
    assert list(stages.facts(given, 41.0)) == []
    assert given_to == pytest.approx({"first": 41.0 / 4, "second": 40.0 * 2 / 3, "third": 10.0})


def test_packs_are_right_to_begin_with(given):
    found = list(facts.right(given))
    bounded = [fact for fact in found if fact.most is not None]
    assert {fact.about["precision"] for fact in bounded} == {"fp32", "bf16"}
    assert len(bounded) == 4
    assert all(0 <= fact.value <= fact.most for fact in bounded)


def test_a_form_that_cannot_be_had_is_a_fact_with_its_reason(given, monkeypatch):
    def speed(self, size, graphed):
        raise RuntimeError("CUDA out of memory\nand more")

    monkeypatch.setattr(facts.Trial, "speed", speed)
    assert [(fact.value, fact.note) for fact in facts.speeds(given)] == [(None, "CUDA out of memory")] * 4


def test_every_stage_finds_facts_on_this_device(given):
    assert [fact.name for fact in facts.kernels(given)][:2] == ["no kernel", "kernel 1"]
    assert [fact.value for fact in facts.repeated(given)] == [0.0]
    assert {fact.about["runs"] for fact in facts.speeds(given)} == {1, 2}
    assert facts.convolution(2, 8, 2, 4, "cpu") > 0


def test_a_fact_is_a_row_and_a_wrong_one_is_marked(tmp_path, monkeypatch, capsys):
    def found(given, seconds):
        assert (seconds, [*given.runs], given.sizes) == (30.0, [WORK], (1, 2))
        yield "right", Fact("pack: first loss", 1e-7, "", {"precision": "fp32"}, most=1e-4)
        yield "right", Fact("pack: first loss", 0.1, "", {"precision": "bf16"}, most=1e-2)
        yield "speed", Fact("training", 12345.0, "images/s", {"runs": 8, "graphed": True})
        yield "speed", Fact("training", None, "images/s", {"runs": 16, "graphed": True}, "no memory")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(measure, "facts", found)
    assert door.main(["speed", "minutes=0.5", "quick=true", "format=json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert [one["right"] for one in said["facts"]] == [True, False, None, None]
    assert said["facts"][2]["about"] == "graphed=True, runs=8"
    assert len(Store("results", "speed").read().rows) == 4
    assert door.main(["report", "study=speed"]) == 0
    table = capsys.readouterr().out
    assert "WRONG" in table
    assert "no memory" in table


@pytest.mark.slow
def test_the_command_ends_in_its_time_with_what_it_has(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    began = time.monotonic()
    assert door.main(["speed", "device=cpu", "minutes=1", "quick=true"]) == 0
    assert time.monotonic() - began < 100
    assert Store("results", "speed").read().rows
