import zlib
from base64 import b64encode

import numpy as np
import pytest

from bench.rows.correctness import packed, unpacked


def drawn(images: int, accuracy: float) -> np.ndarray:
    return np.random.default_rng(images).random(images) < accuracy


@pytest.mark.parametrize("images", [1, 7, 8, 9, 360, 10_000])
@pytest.mark.parametrize("accuracy", [0.0, 0.5, 0.93, 1.0])
def test_what_is_packed_is_unpacked(images, accuracy):
    correct = drawn(images, accuracy)
    again = unpacked(packed(correct), images)
    assert again.dtype == bool
    assert (again == correct).all()


def test_ten_thousand_images_take_a_row_less_than_1700_characters():
    assert max(len(packed(drawn(10_000, accuracy))) for accuracy in (0.1, 0.5, 0.93)) < 1700


WHOLE = packed(drawn(360, 0.5))
DAMAGED = {
    "empty": "",
    "no base64": "!" + WHOLE[1:],
    "cut": WHOLE[: len(WHOLE) // 8 * 4],
    "edited": WHOLE[:20] + ("B" if WHOLE[20] == "A" else "A") + WHOLE[21:],
    "no zlib": b64encode(bytes(45)).decode(),
    "too few images": packed(drawn(352, 0.5)),
    "too many images": packed(drawn(361, 0.5)),
    "a gigabyte": b64encode(zlib.compress(bytes(2**30), 9)).decode(),
}


@pytest.mark.parametrize("text", DAMAGED.values(), ids=DAMAGED.keys())
def test_a_damaged_text_is_refused_in_a_sentence(text):
    with pytest.raises(ValueError, match=r"^which images are correct "):
        unpacked(text, 360)
