"""The baseline: training as a user of torch and torchvision writes it by default, without our engine.

In: images, a run. Out: losses, accuracies. Touches: the device, torch's global generator, worker processes.

PIL images out of an in-memory dataset, torchvision's transforms, a DataLoader with two workers that start anew at each
epoch, the default layout, float32, and one run after the other on all cores.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.optim.lr_scheduler import CosineAnnealingLR
from torch.utils.data import DataLoader
from torchvision.datasets import VisionDataset
from torchvision.transforms import Compose, Normalize, RandomCrop, RandomHorizontalFlip, ToTensor

from bench.schema import Run

WORKERS = 2
EVALUATION_BATCH = 1000  # images, as the engine has it

Batches = Iterable[tuple[Tensor, Tensor]]  # images (N, C, H, W) in [0, 1] and normalised, labels (N,)


class Images(VisionDataset):  # type: ignore[misc]
    """Bytes (N, H, W) or (N, H, W, 3) in memory, returned as PIL images, as torchvision's MNIST and CIFAR10 do."""

    def __init__(self, data: NDArray[np.uint8], targets: NDArray[np.int64], transform: Callable[[Any], Any]) -> None:
        super().__init__(transform=transform)
        self.data, self.targets = data, targets

    def __getitem__(self, index: int) -> tuple[Any, int]:
        image, target = Image.fromarray(self.data[index]), int(self.targets[index])
        return self.transform(image), target

    def __len__(self) -> int:
        return len(self.data)


def synthetic(shape: tuple[int, int, int], count: int, classes: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images and labels for a benchmark: a prototype of the class and noise, in equal parts."""
    channels, height, width = shape
    form = (height, width) if channels == 1 else (height, width, channels)
    generator = np.random.default_rng(0)
    targets = np.arange(count) % classes
    prototypes = generator.integers(0, 128, (classes, *form), dtype=np.uint8)
    return prototypes[targets] + generator.integers(0, 128, (count, *form), dtype=np.uint8), targets


def normalise(data: NDArray[np.uint8]) -> Normalize:
    """The transform that normalises by the mean and standard deviation of each channel."""
    pixels = data.reshape(-1, data.shape[3] if data.ndim == 4 else 1) / 255
    return Normalize(pixels.mean(0).tolist(), pixels.std(0).tolist())


def augmented(data: NDArray[np.uint8], crop: int, flip: bool) -> Compose:
    """The transforms of the training split, without those that would change nothing."""
    crops = [RandomCrop(data.shape[1:3], padding=crop)] if crop else []
    return Compose([*crops, *([RandomHorizontalFlip()] if flip else []), ToTensor(), normalise(data)])


def loader(dataset: Images, batch_size: int, device: str) -> Any:
    """The loader of the training split; as in our engine, the last batch of an epoch is dropped if it is not full."""
    return DataLoader(
        dataset, batch_size, shuffle=True, num_workers=WORKERS, drop_last=True, pin_memory=device == "cuda"
    )


def synthetic_loader(run: Run, shape: tuple[int, int, int], classes: int, device: str) -> Any:
    """The loader of a run on synthetic images, with the epoch length, crops and flips of the run."""
    data = run.arguments("dataset")
    images, labels = synthetic(shape, data["train"], classes)
    transform = augmented(images, data["crop"], data["flip"])
    return loader(Images(images, labels, transform), run.choices["batch_size"], device)


def endless(batches: Batches) -> Iterator[tuple[Tensor, Tensor]]:
    """Epoch after epoch of a loader, which starts its workers anew for each."""
    while True:
        yield from batches


@dataclass
class Training:
    """The training of one model by SGD with a cosine schedule over `steps` steps."""

    model: nn.Module
    run: Run
    steps: int
    device: str

    def __post_init__(self) -> None:
        chosen = self.run.arguments("optimizer")
        same = {key: chosen[key] for key in ("momentum", "nesterov", "weight_decay")}
        self.model = self.model.to(self.device)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=chosen["learning_rate"], **same)
        self.schedule = CosineAnnealingLR(self.optimizer, T_max=self.steps)

    def learn(self, batches: Batches) -> tuple[float, int]:
        """One step per batch; the mean loss, read from the device once, and the number of images."""
        losses, seen = [], 0
        self.model.train()
        for images, labels in batches:
            images, labels = self.here(images), self.here(labels)
            self.optimizer.zero_grad()
            loss = cross_entropy(self.model(images), labels)
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            self.schedule.step()
            losses.append(loss.detach())
            seen += len(labels)
        return float(torch.stack(losses).mean()), seen

    @torch.no_grad()
    def accuracy(self, batches: Batches) -> float:
        """Accuracy of the model on these batches, 0 to 1."""
        self.model.eval()
        hits = [self.model(self.here(images)).argmax(1) == self.here(labels) for images, labels in batches]
        return float(torch.cat(hits).double().mean())

    def here(self, tensor: Tensor) -> Tensor:
        """The tensor on the device."""
        return tensor.to(self.device, non_blocking=True)
