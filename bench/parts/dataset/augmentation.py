"""Random crops and flips of a whole batch, as tensor code.

In: images and a generator. Out: new images. Touches: the generator.
"""

import torch
from torch import Generator, Tensor
from torch.nn import functional


def augment(images: Tensor, generator: Generator, *, crop: int, flip: bool) -> Tensor:
    """Shift each image by up to `crop` pixels each way, filled up with zeros, and mirror it with probability 1/2.

    `images` is (N, C, H, W) in any memory format and on any device; the result is contiguous. All draws are made on the
    generator's device, so a seed gives the same batch everywhere. With crop=0 and flip=False nothing is drawn and the
    images themselves are returned.
    """
    if not crop and not flip:
        return images
    count, channels, height, width = images.shape
    shifts = torch.zeros(2, count, 1, dtype=torch.int64)  # where each crop begins in its padded image
    if crop:
        shifts = torch.randint(2 * crop + 1, (2, count, 1), generator=generator, device=generator.device)
    down, right = shifts.to(images.device)
    rows = down + torch.arange(height, device=images.device)
    columns = right + torch.arange(width, device=images.device)
    if flip:
        mirrored = torch.rand(count, 1, generator=generator, device=generator.device).to(images.device) < 0.5
        columns = torch.where(mirrored, columns.flip(1), columns)
    pixels = rows[:, :, None] * (width + 2 * crop) + columns[:, None, :]  # (N, H, W), indices into a padded image
    padded = functional.pad(images, (crop,) * 4).flatten(2)
    return padded.gather(2, pixels.view(count, 1, -1).expand(-1, channels, -1)).view(images.shape)
