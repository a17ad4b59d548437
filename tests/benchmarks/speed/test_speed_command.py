"""The command `speed` keeps what is measured, and the report prints it again."""

import json

import pytest

from bench import __main__ as door
from bench.benchmarks.speed import measure
from bench.rows.store import Store
from bench.schema import OK, Row, Run, UserError


def row(runs):
    choices = {"task": "speed", "kind": "sweep", "runs": runs}
    curve = [{"block": block, "plain": 10.0 + block, "sweep": 2.0} for block in range(2)]
    environment = {"device_name": "abacus", "cores": 2, "torch": "2.0", "load": 0.0}
    return Row(Run("speed", choices).id, "speed", OK, choices, {"runs": runs}, curve, environment)


def test_speed_keeps_its_rows_and_the_report_prints_them_again(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(measure, "measure", lambda compose, settings: iter([row(48)]))
    assert door.main(["speed", "format=json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["sweeps"][0]["runs"] == 48
    assert door.main(["report", "study=speed", "format=json"]) == 0
    assert json.loads(capsys.readouterr().out) == said


def test_a_row_is_kept_even_if_the_next_cannot_be_measured(tmp_path, monkeypatch, capsys):
    def broken(compose, settings):
        yield row(48)
        raise UserError("a process died")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(measure, "measure", broken)
    assert door.main(["speed"]) == 2
    assert "bench: a process died" in capsys.readouterr().err
    assert [*Store("results", "speed").read().rows] == [row(48).id]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["work=resnet8"], "'resnet8' is no work; write a model and the shape of its images"),
        (["work=resnet9/1x8x8"], "no model is named 'resnet9'; did you mean resnet"),
        (["block=3"], "no key is named 'block'; did you mean blocks"),
        (['sweep=["epoch=3"]'], "no key is named 'epoch'; did you mean epochs"),
        (["sweep=[seed]"], "cannot read 'seed'"),
        (['sweep=["initializer=xavier"]'], "no initializer is named 'xavier'"),
        (["precision=fp8"], "precision takes fp32 or bf16 or auto, not 'fp8'"),
    ],
)
def test_a_mistake_is_a_sentence_and_exit_code_2(tmp_path, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    assert door.main(["speed", *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("bench: ")
    assert sentence in error
