"""What a model knows of the distribution of images: samples and how good they are, the latent space, likelihoods.

Arguments called `model` are autoencoders of `models.build`, in evaluation mode; where a likelihood is asked for, INNs.
"""

import math
import os
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from innae_utils.data import Images
from innae_utils.losses import kernel

QUANTILES = (0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95)
NEAREST = 5  # neighbours that make a ball, as Naeem et al. recommend
KEPT_VARIANCE = 0.95  # of the training images, in the feature space


def seeded(seed: int) -> torch.Generator:
    """A generator on the CPU, so that every device sees the same numbers."""
    return torch.Generator().manual_seed(seed)


# ---- latents and images from them ------------------------------------------------------------------------------


@torch.no_grad()
def encode(model, images: Images, batch_size: int = 500) -> Tensor:
    """y (N, k) of all images, on the CPU."""
    return torch.cat([model.encode(x).cpu() for x in images.batches(batch_size)])


@torch.no_grad()
def codes(model, images: Images, seed: int = 0, batch_size: int = 500) -> Tensor:
    """y (N, k) as the prior should have it, on the CPU: of a VAE drawn from its posterior, of all others `encode`."""
    if not hasattr(model, "posterior"):
        return encode(model, images, batch_size)
    mean, log_variance = (
        torch.cat(part).cpu() for part in zip(*map(model.posterior, images.batches(batch_size)), strict=True)
    )
    return mean + (log_variance / 2).exp() * prior(*mean.shape, seed)


@torch.no_grad()
def decode(model, y: Tensor, batch_size: int = 500) -> Tensor:
    """x_hat (N, C, H, W) of y (N, k), clipped to [0, 1] as a screen would, on the CPU."""
    device = next(model.parameters()).device
    return torch.cat([model.decode(part.to(device)).clamp(0, 1).cpu() for part in y.split(batch_size)])


def prior(count: int, k: int, seed: int = 0) -> Tensor:
    """Samples of N(0, I): (count, k)."""
    return torch.randn(count, k, generator=seeded(seed))


def fitted_normal(y: Tensor, count: int, seed: int = 0) -> Tensor:
    """Samples (count, k) of the normal distribution that has the mean and the covariance of y (N, k).

    What a model without any distribution loss can be sampled from, once it is trained.

    References: Ghosh et al., "From variational to deterministic autoencoders" (ICLR 2020), section 4.
    """
    y = y.double()
    values, vectors = torch.linalg.eigh(torch.cov(y.T).reshape(y.shape[1], -1))
    root = vectors * values.clamp(min=0).sqrt()
    return (y.mean(0) + prior(count, y.shape[1], seed).double() @ root.T).float()


def interpolate(y_from: Tensor, y_to: Tensor, steps: int = 9) -> Tensor:
    """The points of the line between y_from (n, k) and y_to (n, k), both ends included: (n, steps, k)."""
    t = torch.linspace(0, 1, steps)[:, None]
    return y_from[:, None] * (1 - t) + y_to[:, None] * t


def traverse(y: Tensor, quantiles: tuple[float, ...] = QUANTILES) -> Tensor:
    """One coordinate at a time set to the normal quantiles, the others left as in y (k,): (k, len(quantiles), k).

    Example:
        >>> traverse(torch.zeros(2), (0.5, 0.975))[1]
        tensor([[0.0000, 0.0000],
                [0.0000, 1.9600]])
    """
    values = torch.special.ndtri(torch.tensor(quantiles, dtype=torch.float64)).to(y.dtype)
    grid = y.repeat(len(y), len(values), 1)
    for i in range(len(y)):
        grid[i, :, i] = values
    return grid


@torch.no_grad()
def decode_first(model, latent: Tensor, k: int) -> Tensor:
    """x_hat (n, C, H, W) of an INN from the first k numbers of latents (n, D), clipped to [0, 1], on the CPU.

    Whatever bottleneck the INN was trained for: no weight depends on it.
    """
    kept = torch.where(torch.arange(latent.shape[1], device=latent.device) < k, latent, 0.0)
    return model.inverse(kept[:, : model.bottleneck], kept[:, model.bottleneck :]).clamp(0, 1).cpu()


# ---- distances between distributions ---------------------------------------------------------------------------


def permutation_test(y: Tensor, samples: Tensor, permutations: int = 999, seed: int = 0) -> tuple[float, float]:
    """MMD between y (n, k) and as many samples (n, k), and the probability of one as large if both are from one source.

    The pooled points are dealt into two halves again and again; p = (1 + how many reach the MMD seen) / (1 + all), from
    1 / (1 + permutations) to 1.

    References: Gretton et al., "A kernel two-sample test" (JMLR 2012); Phipson and Smyth (2010) for the added ones.
    """
    if len(y) != len(samples):
        raise ValueError(f"as many samples as points are needed, not {len(samples)} for {len(y)}")
    n = len(y)
    pooled = torch.cat((y, samples)).double()
    gram = kernel(pooled, pooled)
    sign = torch.ones(2 * n, permutations + 1, dtype=torch.float64)  # +1 one half, -1 the other; column 0 as given
    sign[n:, 0] = -1
    generator = seeded(seed)
    for column in range(1, permutations + 1):
        sign[torch.randperm(2 * n, generator=generator)[:n], column] = -1
    values = (sign * (gram @ sign)).sum(0) / n**2  # mean k(y, y') + mean k(s, s') - 2 mean k(y, s), all at once
    return float(values[0]), float((values >= values[0] - 1e-12).double().mean())


def pixel_features(train: Images, most: int = 10_000) -> Callable[[Tensor], np.ndarray]:
    """A feature space that needs no network: principal components of the training images' pixels.

    As many components as hold 95 % of the variance of the first `most` training images, not whitened, so that distances
    are nearly those between images.

    Returns:
        A function from images (N, C, H, W) to features (N, d).
    """
    from sklearn.decomposition import PCA

    pixels = train.batch(slice(0, most)).flatten(1).cpu().numpy()
    pca = PCA(n_components=KEPT_VARIANCE, svd_solver="full").fit(pixels)
    return lambda x: pca.transform(x.flatten(1).cpu().numpy())


def balls(real: np.ndarray, fake: np.ndarray, nearest: int = NEAREST) -> dict[str, float]:
    """How well fake points (m, d) fill the space of real ones (n, d); every number but density lies in [0, 1].

    A ball about a point reaches to its `nearest`-th neighbour of its own kind.

    Returns:
        precision: the share of fake points that lie in some real ball: do samples look real?
        recall: the share of real points that lie in some fake ball: is all that is real made?
        density: in how many real balls a fake point lies, over `nearest`; about 1 for equal distributions.
        coverage: the share of real balls that hold a fake point.

    References: Kynkäänniemi et al. (NeurIPS 2019) for the first two; Naeem et al. (ICML 2020) for the others.
    """
    real, fake = torch.from_numpy(np.asarray(real)).double(), torch.from_numpy(np.asarray(fake)).double()
    real_radius, fake_radius = (
        torch.cdist(points, points).kthvalue(nearest + 1, dim=1).values for points in (real, fake)
    )  # the nearest of all is the point itself
    apart = torch.cdist(real, fake)
    in_real = apart < real_radius[:, None]
    return {
        "precision": float(in_real.any(0).double().mean()),
        "recall": float((apart < fake_radius).any(1).double().mean()),
        "density": float(in_real.double().sum(0).mean() / nearest),
        "coverage": float(in_real.any(1).double().mean()),
    }


# ---- likelihoods -----------------------------------------------------------------------------------------------


def dequantise(images: Images, seed: int = 0) -> Tensor:
    """x (N, C, H, W) with each grey value v of 0 .. M spread evenly over its step: (v + u - 1/2) / M, u in [0, 1).

    The steps have the width 1 / M and lie about the values v / M that the models were trained on.
    """
    v = images.pixels.to(torch.float32)
    return (v + torch.rand(v.shape, generator=seeded(seed)).to(v.device) - 0.5) / images.max_value


def bits_per_dim(log_prob: Tensor, dim: int, max_value: int) -> Tensor:
    """The code length in bits per pixel value of a density log p(x) in nats, of x dequantised as above.

    It is -log2 of p times the volume M^-D of a cell, over D. Averaged over the noise it bounds the code length of the
    stored grey values from above.

    References: Theis et al., "A note on the evaluation of generative models" (ICLR 2016), section 3.1.

    Example:
        >>> bits_per_dim(torch.zeros(1), dim=64, max_value=256)  # a density of 1 on the unit cube
        tensor([8.])
    """
    return (-log_prob / dim + math.log(max_value)) / math.log(2)


@torch.no_grad()
def log_prob(model, images: Images, z_scale: float | Tensor, draws: int = 4, seed: int = 0) -> Tensor:
    """log p(x) in nats of an INN, averaged over some draws of the dequantisation's noise: (N,), on the CPU."""
    each = [
        torch.cat([model.log_prob(part, z_scale).cpu() for part in dequantise(images, seed + i).split(500)])
        for i in range(draws)
    ]
    return torch.stack(each).mean(0)


@torch.no_grad()
def z_spread(model, images: Images, seed: int = 0) -> Tensor:
    """The root mean square of each of an INN's z over dequantised images: (D - k,), their best `z_scale`."""
    z = torch.cat([model.transform(part)[1].cpu() for part in dequantise(images, seed).split(500)])
    return z.square().mean(0).sqrt()


@torch.no_grad()
def log_prob_by_width(model, images: Images, widths: list[float], seed: int = 0) -> Tensor:
    """The mean log p(x) in nats for each of some widths of z: (len(widths),). One pass through an INN does for all."""
    latent, log_det = (
        torch.cat(part).cpu().double()
        for part in zip(
            *((x.flatten(1), d) for x, d in map(model.inn, dequantise(images, seed).split(500))), strict=True
        )
    )
    y, z = latent[:, : model.bottleneck], latent[:, model.bottleneck :]
    of_y = log_det - (y.square() + math.log(2 * math.pi)).sum(1) / 2
    of_z = [-((z / w).square() + math.log(2 * math.pi)).sum(1) / 2 - z.shape[1] * math.log(w) for w in widths]
    return torch.stack([(of_y + one).mean() for one in of_z])


def other_kinds(images: Images, seed: int = 0) -> dict[str, Images]:
    """Images that are not of the data set's kind, as many and of the same size: name -> Images.

    `photographs` are patches of the two photographs inside scikit-learn, in grey where the data set is; `noise` has
    independent grey values, `blank` images have one. The others are the images themselves: `negatives`, `turned` by a
    quarter (if they are square), `faint` at half the brightness, and `blends`, each the mean of two.
    """
    n, (channels, height, width) = len(images), images.shape
    generator, top = seeded(seed), images.max_value
    blank = torch.randint(0, top + 1, (n, 1, 1, 1), generator=generator, dtype=torch.uint8)
    pixels = images.pixels.cpu()
    partner = pixels.roll(1, 0)
    kinds = {
        "photographs": _photographs(n, channels, height, width, top, generator),
        "negatives": top - pixels,
        "noise": torch.randint(0, top + 1, (n, *images.shape), generator=generator, dtype=torch.uint8),
        "blank": blank.expand(n, *images.shape).contiguous(),
        "faint": pixels // 2,
        "blends": ((pixels.int() + partner.int()) // 2).to(torch.uint8),
    }
    if height == width:
        kinds["turned"] = pixels.rot90(1, (2, 3)).contiguous()
    return {name: Images(kind, top).to(images.device) for name, kind in kinds.items()}


def _photographs(n: int, channels: int, height: int, width: int, top: int, generator: torch.Generator) -> Tensor:
    """Random patches, four times as large as needed and averaged down, so that they have something in them."""
    from sklearn.datasets import load_sample_images

    photos = [torch.from_numpy(np.array(photo)).permute(2, 0, 1).float() for photo in load_sample_images().images]
    if channels == 1:
        photos = [photo.mean(0, keepdim=True) for photo in photos]
    patches = []
    for i in range(n):
        photo = photos[i % len(photos)]
        room = (photo.shape[1] - 4 * height + 1, photo.shape[2] - 4 * width + 1)
        row, column = (int(torch.randint(0, side, (), generator=generator)) for side in room)
        patches.append(photo[:, row : row + 4 * height, column : column + 4 * width])
    small = torch.nn.functional.avg_pool2d(torch.stack(patches), 4)
    return (small / 255 * top).round().to(torch.uint8)


def roc(inside: Tensor, outside: Tensor) -> tuple[np.ndarray, np.ndarray, float]:
    """The curve of a score that should be higher inside: false alarms, hits, and the area under it.

    0.5 is guessing, and less than 0.5 means that what is outside scores higher.
    """
    from sklearn.metrics import roc_auc_score, roc_curve

    truth = np.r_[np.ones(len(inside)), np.zeros(len(outside))]
    score = torch.cat((inside, outside)).double().numpy()
    false_alarms, hits, _ = roc_curve(truth, score)
    return false_alarms, hits, float(roc_auc_score(truth, score))


# ---- tables ----------------------------------------------------------------------------------------------------

SAMPLES = ("test L1", "MMD", "precision", "recall", "density", "coverage")


def markdown(numbers, measures: tuple[str, ...]) -> str:
    """Some of the measures that 31_inn_vae leaves behind as a table in Markdown, means over the seeds.

    Args:
        numbers: DataFrame with the columns model, seed, measure, value.
        measures: the columns of the table; a model with none of them has no row, and `-` marks what is missing.
    """
    kept = numbers[numbers["measure"].isin(measures)]
    table = kept.pivot_table(index="model", columns="measure", values="value", sort=False)[list(measures)]
    rows = [["", *(name.removeprefix("area, ") for name in measures)], ["---"] * (len(measures) + 1)]
    for model, values in zip(table.index, table.to_numpy(), strict=True):
        rows.append([model, *("-" if math.isnan(value) else f"{value:.3f}" for value in values)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


# ---- where a notebook runs -------------------------------------------------------------------------------------


def in_jupyterlab() -> bool:
    """Whether a Jupyter server started this kernel for a person: papermill and nbconvert start theirs without it."""
    return "JPY_SESSION_NAME" in os.environ
