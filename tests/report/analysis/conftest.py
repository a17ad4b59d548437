from collections.abc import Callable

import numpy as np
import pytest

from bench.schema import Row


@pytest.fixture
def rows(row: Callable[..., Row]) -> list[Row]:
    """Three arms in four blocks of five seeds; one run of c diverged in one of them."""
    generator = np.random.default_rng(2)
    return [
        row(
            arm,
            seed,
            round(float(generator.normal(0.8 + 0.02 * "cba".index(arm), 0.02)), 4),
            "diverged" if (arm, width, seed) == ("c", 8, 1) else "ok",
            model__width=width,
        )
        for width in (4, 8, 16, 32)
        for arm in "abc"
        for seed in range(5)
    ]
