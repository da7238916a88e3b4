"""Train a model, evaluate it, and survive being interrupted.

References: section 3.2 (Adam, schedules, epochs, batch sizes).
"""

import math
import os
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from innae_utils import losses
from innae_utils.data import Images, few, shuffled
from innae_utils.layers import Stack, set_training
from innae_utils.results import replacing
from innae_utils.settings import Recipe

EVALUATION_NUMBERS = 3_000_000  # pixel values in one batch of an evaluation: some gigabytes for the widest model
THREADS = torch.get_num_threads()
BF16_PAYS = 28 * 28  # numbers of an image; a step on scikit-learn's 64 was measured no faster
WARM_UP = 3  # steps before a GPU's step is recorded: cuDNN chooses its algorithms in the first
SAVE_EVERY = 10.0  # seconds between a GPU's checkpoints: an epoch can take less time than writing one
EMULATED = (  # a step of MNIST's classic model, one thread, on an AMD EPYC with AVX2 and no more
    "this CPU has no instructions for bfloat16: precision bf16 is emulated here, and has been measured to take eleven "
    "times as long as fp32; leave the precision at auto, which takes fp32 here"
)


Stepper = Callable[[Tensor, torch.Generator | None], dict[str, Tensor]]  # (batch, generator) -> losses


class TrainingError(RuntimeError):
    """Training cannot go on; the message says where it stopped and what to try."""


class CheckpointError(TrainingError):
    """A checkpoint that cannot be read; the message says which file."""


class GpuMemoryError(RuntimeError):
    """A GPU's memory is too small for a training step; no fault of the training, and the message says what to try."""


def pick_device(name: str = "auto") -> torch.device:
    """The device of that name; `auto` takes the first GPU, else the CPU. Raises TrainingError if it is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    device = torch.device(name)
    if not there.get(device.type) or (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()):
        raise TrainingError(f"device {name!r} is not there; allowed here: {', '.join(d for d in there if there[d])}")
    return device


def pick_precision(name: str, images: Images) -> str:
    """`fp32` or `bf16` for the INN's subnetworks, or the whole of a classic model, while they train on images.

    `auto` is `bf16` on a CPU that computes in bfloat16 (AVX-512 or AMX), for images of MNIST's size or larger, and
    `fp32` elsewhere, also on a GPU. Faster has been measured on AVX-512 for all three sizes of the paper, learning the
    same on MNIST (benchmarks/README.md). Warns of a `bf16` that the CPU would have to emulate.
    """
    if name == "bf16" and images.device.type == "cpu" and not cpu_has_bfloat16():
        warnings.warn(EMULATED, stacklevel=2)
    if name != "auto":
        return name
    pays = images.device.type == "cpu" and math.prod(images.shape) >= BF16_PAYS
    return "bf16" if pays and cpu_has_bfloat16() else "fp32"


def pick_threads(images: Images) -> int:
    """Set torch's threads for work on these images in this process, and return how many they are.

    One for images smaller than MNIST's on a CPU: there is little to share out, and beside other work threads wait for
    each other at every layer (with two, training on digits was found up to thirty times slower). Else as many as there
    were when this module was imported; a number that the environment variable OMP_NUM_THREADS asks for stays.
    """
    if "OMP_NUM_THREADS" not in os.environ:
        small = images.device.type == "cpu" and math.prod(images.shape) < BF16_PAYS
        torch.set_num_threads(1 if small else THREADS)
    return torch.get_num_threads()


def cpu_has_bfloat16() -> bool:
    """Whether this CPU has instructions for bfloat16: without them it is emulated, and slower than float32."""
    able = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


def make_optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Adam:
    """Adam with the recipe's settings; its weight decay is an L2 penalty on all parameters, as in the authors' code."""
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    return torch.optim.Adam(
        parameters, lr=recipe.lr, betas=recipe.betas, eps=recipe.eps, weight_decay=recipe.weight_decay,
        fused=parameters[0].device.type in ("cpu", "cuda"), capturable=parameters[0].device.type == "cuda",
    )  # fmt: skip


def fit(
    model: nn.Module,
    images: Images,
    recipe: Recipe,
    seed: int = 0,
    precision: str = "fp32",
    recompute: bool = False,
    checkpoint: Path | None = None,
    identity: str = "",
) -> Iterator[dict[str, float]]:
    """Train a model in place, yielding one record an epoch.

    Args:
        model: from `models.build`, on the device of the images.
        images: the training images.
        recipe: epochs, batch size, learning rates, optimiser and loss weights.
        seed: decides the order of the batches and the noise in the losses, together with the epoch alone.
        precision: `fp32` or `bf16` for the subnetworks while they train.
        recompute: compute the subnetworks' activations again for the backward pass instead of keeping them: less
            memory, more time, the same numbers.
        checkpoint: a file that is written after every epoch, on a GPU at most every ten seconds, and, if it is there,
            gone on from: on a CPU the result is then the very same as of an unbroken run.
        identity: what the checkpoint belongs to; one of another identity is not gone on from.

    Yields:
        `epoch` (from 1), `lr`, `loss`, a key for each loss term, all means over the epoch's batches, and `seconds`.
        Epochs that the checkpoint already holds are yielded first.

    Raises:
        TrainingError: the loss of an epoch is not finite; neither record nor checkpoint of it is kept.
        CheckpointError: the checkpoint cannot be read.
        GpuMemoryError: a GPU's memory does not hold a step.
    """
    model.train()
    set_training(model, precision, recompute)
    optimizer = make_optimizer(model, recipe)
    history = _resume(checkpoint, identity, model, optimizer)
    yield from history
    one_step = stepper(model, recipe, optimizer)
    saved = time.perf_counter()
    with strict_float32(images.device):
        for epoch in range(len(history) + 1, recipe.epochs + 1):
            started = time.perf_counter()
            optimizer.param_groups[0]["lr"] = recipe.learning_rate(epoch)
            with denormals_as_zero(), _memory_explained(epoch):
                means = _one_epoch(one_step, images, recipe, seed, epoch)
            record = {"epoch": epoch, "lr": recipe.learning_rate(epoch), **means}
            record["seconds"] = time.perf_counter() - started
            history = [*history, record]
            if images.device.type != "cuda" or time.perf_counter() - saved > SAVE_EVERY:
                _save(checkpoint, identity, model, optimizer, history)
                saved = time.perf_counter()
            yield record


def _one_epoch(one_step: Stepper, images: Images, recipe: Recipe, seed: int, epoch: int) -> dict[str, float]:
    """Every batch of an epoch once; the losses are summed on the device and read at its end."""
    sums: dict[str, Tensor] = {}
    generator = noise(seed, epoch)
    batches = shuffled(len(images), recipe.batch_size, seed, epoch, recipe.drop_last)
    batches = (
        torch.stack(batches).to(images.pixels.device) if recipe.drop_last else batches
    )  # one copy to a GPU, not hundreds
    for index in batches:
        for name, value in one_step(images.batch(index), generator).items():
            sums[name] = sums.get(name, 0) + value
    means = {name: float(value) / len(batches) for name, value in sums.items()}
    if not torch.isfinite(torch.tensor(list(means.values()))).all():
        raise TrainingError(
            f"the loss is not finite in epoch {epoch} ({means}); training stopped and no result is written. "
            f"A smaller learning rate than {recipe.learning_rate(epoch):g} or precision fp32 may help"
        )
    return means


@contextmanager
def _memory_explained(epoch: int) -> Iterator[None]:
    """Raise GpuMemoryError for a GPU without memory: torch's own error hides behind another if a recording fails."""
    try:
        yield
    except RuntimeError as error:
        cause: BaseException | None = error
        while cause is not None and not isinstance(cause, torch.OutOfMemoryError):
            cause = cause.__cause__ or cause.__context__
        if cause is None:
            raise
        said = str(cause).partition(". ")[0]
        raise GpuMemoryError(
            f"the GPU's memory does not hold a training step (epoch {epoch}): {said}. Try fewer runs at once (SLOTS), "
            "recompute: true (RECOMPUTE=true), precision bf16 or device cpu; epochs in a checkpoint are kept"
        ) from error


def noise(seed: int, epoch: int) -> torch.Generator:
    """Where the random numbers of an epoch's losses come from: (seed, epoch) alone, so that a resumed run draws the
    same; and far from the numbers that `data.shuffled` draws."""
    return torch.Generator().manual_seed(2**31 + seed * 1_000_003 + epoch)  # of a seed 32 bits count


def step(
    model: nn.Module,
    x: Tensor,
    recipe: Recipe,
    optimizer: torch.optim.Optimizer,
    generator: torch.Generator | None = None,
) -> dict[str, Tensor]:
    """One training step on a batch x (B, C, H, W): `loss` and its terms, scalars left on the device.

    Variational models draw their noise from the generator, None being torch's own.
    """
    optimizer.zero_grad(set_to_none=True)
    terms = losses.terms(model, x, recipe, generator)
    loss = losses.total(terms, recipe)
    loss.backward()
    optimizer.step()
    return {name: value.detach() for name, value in {"loss": loss, **terms}.items()}


def stepper(model: nn.Module, recipe: Recipe, optimizer: torch.optim.Optimizer) -> Stepper:
    """`step` with everything but the batch and the generator given; on a GPU recorded and replayed (`RecordedStep`).

    Not where random numbers are drawn, which come from the CPU, nor where activations are computed again.
    """
    draws = hasattr(model, "posterior") or recipe.weight_mmd
    again = any(module.recompute for module in model.modules() if isinstance(module, Stack))
    if next(model.parameters()).device.type == "cuda" and not draws and not again:
        return RecordedStep(model, recipe, optimizer)
    return lambda x, generator=None: step(model, x, recipe, optimizer, generator)


def first_steps(device: torch.device) -> int:
    """How many steps of a `stepper` take longer than the rest: one, on a GPU those up to the one that is recorded."""
    return WARM_UP + 1 if device.type == "cuda" else 1


class RecordedStep:
    """`step` as a CUDA graph: Python starts it as one piece instead of kernel by kernel, a thousand for an INN.

    The first steps run as they are, then one is recorded, and recorded again whenever the learning rate, which is part
    of the record, has changed. A batch runs as it is unless its size is that of the largest before it. The losses that
    are returned are overwritten by the next step.

    References: https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
    """

    def __init__(self, model: nn.Module, recipe: Recipe, optimizer: torch.optim.Optimizer):
        self.as_it_is = lambda x: step(model, x, recipe, optimizer)
        self.optimizer = optimizer
        self.device = next(model.parameters()).device
        self.stream = torch.cuda.Stream(self.device)
        self.warm_up = WARM_UP
        self.largest = 0
        self.x: Tensor | None = None  # the recorded step reads its batch here, and leaves its losses in `values`
        self.values: dict[str, Tensor] = {}
        self.graph: torch.cuda.CUDAGraph | None = None
        self.recorded = (0, 0.0)  # for batches of which size, at which learning rate

    def __call__(self, x: Tensor, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """One training step on x (B, C, H, W); the generator is not used."""
        with torch.cuda.device(self.device):
            return self._step(x)

    def _step(self, x: Tensor) -> dict[str, Tensor]:
        before, self.largest = self.largest, max(self.largest, len(x))
        if self.warm_up:
            self.warm_up -= 1
            self.stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(self.stream):
                values = self.as_it_is(x)
            torch.cuda.current_stream().wait_stream(self.stream)
            return values
        if len(x) != before:  # smaller, or larger than any that cuDNN has chosen its algorithms for
            return self.as_it_is(x)
        wanted = (len(x), self.optimizer.param_groups[0]["lr"])
        if wanted != self.recorded:
            self._record(x)
            self.recorded = wanted
        self.x.copy_(x)
        self.graph.replay()
        return self.values

    def _record(self, x: Tensor) -> None:
        """Record the step at the present learning rate; nothing is computed by that."""
        self.x, self.values, self.graph = x.clone(), {}, torch.cuda.CUDAGraph()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(self.graph):
            self.values = self.as_it_is(self.x)


@torch.no_grad()
def reconstruct(model: nn.Module, images: Images, batch_size: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    """(x, x_hat) batch by batch, in order, in float32 throughout; batch size 0 is 500, or fewer if they are large."""
    batch_size = batch_size or max(1, min(500, EVALUATION_NUMBERS // math.prod(images.shape)))
    was_training = model.training
    model.eval()
    try:
        with strict_float32(images.device):
            for x in images.batches(batch_size):
                yield x, model(x)
    finally:
        model.train(was_training)


def evaluate(model: nn.Module, images: Images, batch_size: int = 0) -> float:
    """L1 over ALL images: the mean absolute error per pixel value, summed up in float64 over the images.

    Raises TrainingError if it is not finite.

    Deviation: the authors drop the last partial batch of the test set too; here every image counts.
    """
    each = [(x - x_hat).abs().flatten(1).sum(1) for x, x_hat in reconstruct(model, images, batch_size)]
    l1 = float(torch.cat(each).cpu().double().sum()) / images.pixels.numel()
    if not math.isfinite(l1):
        raise TrainingError("the reconstructions are not finite; no result is written. Try a smaller learning rate")
    return l1


def sample(model: nn.Module, images: Images, count: int = 10) -> dict[str, Tensor]:
    """`x` and `x_hat` (count, C, H, W) on the CPU for a few images, the same for every model (`data.few`)."""
    ((x, x_hat),) = reconstruct(model, few(images, count))
    return {"x": x.cpu(), "x_hat": x_hat.cpu()}


@contextmanager
def strict_float32(device: torch.device) -> Iterator[None]:
    """Keep a GPU from rounding float32 to TF32, which breaks the round trip x -> z -> x in the fourth digit."""
    if device.type != "cuda":
        yield
        return
    matmul = torch.backends.cuda.matmul.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = matmul


@contextmanager
def denormals_as_zero() -> Iterator[None]:
    """Let a CPU take numbers below 1.2e-38 for zero, which makes a classic model's steps several times faster.

    Weight decay shrinks what no gradient reaches, and Adam's means with it, below float32's normal numbers, and
    processors reckon with those by far slower ways. Next to any weight that counts they are nothing.

    The calling thread is as before afterwards. Torch's worker threads keep what the thread that started them had: those
    that are started here, or when this module is imported, take denormals for zero from then on, here and in whatever
    imports this; those that computed before do not. Where the processor cannot do it, nothing happens.
    """
    before = torch.full((), 1e-39, dtype=torch.float32, device="cpu").mul(1).item() == 0
    torch.set_flush_denormal(True)
    try:
        torch.zeros(2**20, device="cpu").add_(1)  # starts the workers that are not there yet
        yield
    finally:
        torch.set_flush_denormal(before)


with denormals_as_zero():  # before anything else starts torch's workers
    pass


def _save(path: Path | None, identity: str, model: nn.Module, optimizer, history: list[dict[str, float]]) -> None:
    if path is None:
        return
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
    with replacing(path) as part:
        torch.save({"identity": identity, "history": history, **state}, part)


def _resume(path: Path | None, identity: str, model: nn.Module, optimizer) -> list[dict[str, float]]:
    """Load a checkpoint into model and optimiser; the records of its epochs, none if there is nothing to go on from."""
    if path is None or not path.exists():
        return []
    try:
        state = torch.load(path, map_location=next(model.parameters()).device, weights_only=True)
        if state["identity"] != identity:
            return []
        model.load_state_dict(state["model"])
        of_device = {name: optimizer.param_groups[0][name] for name in ("fused", "capturable")}  # not the file's
        optimizer.load_state_dict(state["optimizer"])
        optimizer.param_groups[0].update(of_device)
        return state["history"]
    except Exception as error:  # torch.load raises a dozen kinds for a file that is not its own
        raise CheckpointError(f"the checkpoint {path} cannot be read ({error}); delete it to start afresh") from error
