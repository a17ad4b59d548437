"""Random crops and flips of a whole batch, as tensor code.

In: images and a generator. Out: new images. Touches: the generator.
"""

import torch
from torch import Generator, Tensor
from torch.nn import functional


def draw(count: int, generator: Generator, *, crop: int, flip: bool) -> Tensor:
    """What is done to each of `count` images: pixels down, pixels to the right, 1 where it is mirrored; (3, N), int64.

    A crop begins at up to twice `crop` pixels into an image that is padded by `crop`; half of the images are mirrored.
    With crop=0 and flip=False nothing is drawn.
    """
    moves = torch.zeros(3, count, dtype=torch.int64)
    if crop:
        moves[:2] = torch.randint(2 * crop + 1, (2, count, 1), generator=generator).squeeze(2)
    if flip:
        moves[2] = torch.rand(count, 1, generator=generator).squeeze(1) < 0.5
    return moves


def augment(images: Tensor, moves: Tensor, *, crop: int, flip: bool) -> Tensor:
    """Shift each image by up to `crop` pixels each way, filled up with zeros, and mirror it, as `draw` has drawn.

    `images` is (N, C, H, W) in any memory format, on the device of `moves`; the result is contiguous. With crop=0 and
    flip=False the images themselves are returned.
    """
    if not crop and not flip:
        return images
    count, channels, height, width = images.shape
    down, right, mirrored = moves.unsqueeze(2)  # (N, 1) each
    rows = down + torch.arange(height, device=images.device)
    columns = right + torch.arange(width, device=images.device)
    if flip:
        columns = torch.where(mirrored == 1, columns.flip(1), columns)
    pixels = rows[:, :, None] * (width + 2 * crop) + columns[:, None, :]  # (N, H, W), indices into a padded image
    padded = functional.pad(images, (crop,) * 4).flatten(2)
    return padded.gather(2, pixels.view(count, 1, -1).expand(-1, channels, -1)).view(images.shape)
