"""Which test images a run classified correctly: one bit for each, in the order of the test split, as a short text.

In: truth values, or a text. Out: a text, or truth values. Touches: nothing.
"""

import zlib
from base64 import b64decode, b64encode

import numpy as np
from numpy.typing import NDArray


def packed(correct: NDArray[np.bool_]) -> str:
    """The text of (images,) truth values: base64 of zlib of eight images to a byte, the first in the highest bit."""
    return b64encode(zlib.compress(np.packbits(correct).tobytes(), 9)).decode()


def unpacked(text: str, images: int) -> NDArray[np.bool_]:
    """The truth values of `images` images. Raises ValueError, with the reason, for a text of another number."""
    length = -(-images // 8)
    try:
        stream = zlib.decompressobj()
        content = stream.decompress(b64decode(text, validate=True), length + 1)  # no more, however much there is
    except (ValueError, zlib.error) as damage:
        raise ValueError(f"which images are correct cannot be read: {damage}") from damage
    if len(content) != length or not stream.eof:
        raise ValueError(f"which images are correct is not known for {images} images")
    return np.unpackbits(np.frombuffer(content, np.uint8), count=images).astype(bool)
