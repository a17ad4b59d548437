"""Diagnoses whose truth is known: a row per healthy model, mutant or run of a study.

In: settings. Out: rows. Touches: nothing; the digits and the rows of the studies are read.
"""

import math
import random
from collections.abc import Iterator, Mapping
from typing import Any

import torch
import torchvision

from bench import catalogue, registry
from bench.benchmarks.probe_error_rates.nets import BATCH, CHOSEN_ON, MUTANTS, NETS, RATE, accuracy, mutant
from bench.benchmarks.probe_error_rates.table import CHOSEN, KEPT
from bench.benchmarks.row import Numbers, row_of
from bench.benchmarks.settings import ProbeErrorRatesSettings
from bench.parts.ambient import seeded
from bench.parts.assembly import assembled
from bench.parts.dataset.tensors import Dataset
from bench.registry import unknown
from bench.rows.store import Store
from bench.schema import OK, WORDS, Row, Run, UserError
from bench.signal.flow import Flow
from bench.signal.measure import Measurement, measure
from bench.signal.problems import problems, risk

FAMILIES = {  # of torchvision, as its code draws their weights; the size of the images
    **dict.fromkeys(("alexnet", "squeezenet1_0", "squeezenet1_1", "googlenet"), 64),
    **dict.fromkeys(("resnet18", "resnet34", "resnet50", "resnext50_32x4d", "densenet121"), 64),
    **dict.fromkeys(("mobilenet_v2", "mobilenet_v3_small", "mobilenet_v3_large", "mnasnet0_5", "mnasnet1_0"), 64),
    **dict.fromkeys(("shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0"), 64),
    **dict.fromkeys(("efficientnet_b0", "efficientnet_b1", "efficientnet_v2_s", "convnext_tiny", "swin_t"), 64),
    **dict.fromkeys(("regnet_x_400mf", "regnet_y_400mf", "regnet_x_800mf", "regnet_y_800mf", "swin_v2_t"), 64),
    **{"mnasnet0_75": 64, "mnasnet1_3": 64, "regnet_x_1_6gf": 64, "vit_b_32": 224, "vgg11": 64},
}
EXAMPLES = 16
LINE = 0.1  # of the way from chance to 1, above which a run has trained, as the studies have it
STUDY = "question"  # whose runs the thresholds were chosen on
OTHER_RATE = 0.1  # of torchvision's models, which have no intended rate here


def measured(settings: ProbeErrorRatesSettings) -> Iterator[Row]:
    """The rows, each as soon as it is measured."""
    parts = {"family": _families, "mutant": _mutants, "run": _runs}
    for part in settings.part:
        for choices, measures in parts[part](settings):
            yield row_of("probe_error_rates", settings.study.name, {"part": part, **choices}, measures)


Found = Iterator[tuple[dict[str, Any], Numbers]]


def _families(settings: ProbeErrorRatesSettings) -> Found:
    for place, (name, size) in enumerate(FAMILIES.items()):
        for seed in range(settings.family_seeds):
            with seeded(seed):
                net = torchvision.models.get_model(name, weights=None)
                images = torch.randn(EXAMPLES, 3, size, size)
            half = CHOSEN if 2 * place < len(FAMILIES) else KEPT
            yield (
                {"model": name, "half": half, "seed": seed},
                diagnosed(measure(net, images, None, OTHER_RATE, seed, whole=False)),
            )


def _mutants(settings: ProbeErrorRatesSettings) -> Found:
    for net in settings.nets or NETS:
        if net not in NETS:
            raise UserError(unknown("net of probe_error_rates", net, NETS))
        half = CHOSEN if net in CHOSEN_ON else KEPT
        for seed in range(settings.mutant_seeds):
            data = _digits(settings, seed)
            batch = data.train.take(torch.arange(BATCH))
            for name in ("", *MUTANTS):
                built = mutant(net, name, seed)
                found = diagnosed(measure(built, *batch, RATE, seed, whole=False))
                yield (
                    {"model": net, "half": half, "mutant": name, "seed": seed},
                    {**found, "validation_accuracy": accuracy(built, data, seed)},
                )


def _digits(settings: ProbeErrorRatesSettings, seed: int) -> Dataset:
    option = catalogue.options("dataset")["digits"]
    choices = {"dataset": "digits"} | {f"dataset.{key}": one for key, one in catalogue.arguments(option).items()}
    run = Run("digits", choices, {"dataset": option["function"]})
    found: Dataset = registry.build(run, "dataset")(settings.data, settings.download, seed)
    return found


def _runs(settings: ProbeErrorRatesSettings) -> Found:
    for study in settings.diagnosed:
        half = CHOSEN if study == STUDY else KEPT
        rows = [row for _, row in sorted(Store(settings.results, study).read(curves=False).rows.items())]
        if not rows or any("optimizer.learning_rate" not in row.choices for row in rows):
            raise UserError(f"diagnosed={study}: this study has no rows of training in {settings.results}")
        for row in random.Random(settings.seed).sample(rows, min(settings.runs, len(rows))):
            run = Run(study, row.choices, _functions(row.choices))
            data: Dataset = registry.build(run, "dataset")(settings.data, settings.download, row.choices["seed"])
            size = int(row.choices["batch_size"])
            net, rate = assembled(run, data, size).model, float(row.choices["optimizer.learning_rate"])
            found = measure(net, *data.train.take(torch.arange(size)), rate, int(row.choices["seed"]), whole=False)
            block = {key: row.choices[key] for key in ("model", "normalization", "activation", "initializer", "seed")}
            reached = row.measures.get("validation_accuracy") or 0.0
            chance = 1 / data.classes
            trained = row.status == OK and reached > chance + LINE * (1 - chance)
            yield (
                {"study": study, "half": half, "id": row.id, **block},
                {**diagnosed(found), **_baselines(found), "trained": int(trained)},
            )


def _functions(choices: Mapping[str, Any]) -> dict[str, str]:
    words = [word for word in WORDS if word in choices]
    return {word: catalogue.options(word)[choices[word]]["function"] for word in words}


def diagnosed(found: Measurement) -> Numbers:
    """Whether there is a problem of each kind, and the risk."""
    kinds = [one.kind for one in problems(found)]
    score = risk(found)
    return {"problems": len(kinds), "risk": score if math.isfinite(score) else None} | dict.fromkeys(kinds, 1)


def _baselines(found: Measurement) -> Numbers:
    """What needs no forward pass: the number of layers, and how far log2 of variance times fan is from He's 2."""
    flow = Flow(found)
    products = [flow.weight(layer).gain ** 2 for layer in flow.layers if flow.weight(layer).gain > 0]
    away = sum(abs(math.log2(one / 2)) for one in products) / len(products) if products else None
    return {"layers": len(flow.layers), "var_times_fan": away}
