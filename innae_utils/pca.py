"""Principal component analysis: the best linear autoencoder in the L2 sense, as a reference for every curve."""

from collections.abc import Sequence

import numpy as np
import torch

from innae_utils.data import Images

EXACT = 4096  # the largest D whose covariance, D x D, is worth computing
SAMPLE = 4096  # images that larger ones are fitted to
QUICK = 256


def recipe(dim: int) -> str:
    """How PCA is computed for images of D numbers: `exact`, or `sampled` where the covariance would be too large."""
    return "exact" if dim <= EXACT else "sampled"


def most_images(dim: int, bottlenecks: Sequence[int], quick: bool = False) -> int | None:
    """How many training images PCA is fitted to; None is all of them. It has no more components than images.

    Example:
        >>> most_images(784, [12, 64]), most_images(784, [12, 512], quick=True), most_images(59_904, [64])
        (None, 512, 4096)
    """
    if quick:
        return max(QUICK, *bottlenecks) if dim <= EXACT else 64
    return None if dim <= EXACT else SAMPLE


def fit(train: Images, components: int):
    """scikit-learn's PCA with so many components, at most min(N, D), fitted to all N of these images of D numbers.

    References: not whitened: exact in float64 (eigenvectors of the covariance matrix), or, for images of more than
        `EXACT` numbers, in float32 by randomised range finding (Halko et al., 2011).
    """
    from sklearn.decomposition import PCA

    exact = recipe(int(np.prod(train.shape))) == "exact"
    solver = {"svd_solver": "covariance_eigh"} if exact else {"svd_solver": "randomized", "random_state": 0}
    return PCA(components, **solver).fit(_flat(train.batch(slice(None)), np.float64 if exact else np.float32))


def reconstruct(pca, x: torch.Tensor, k: int) -> torch.Tensor:
    """`x_hat` of images from their first k components.

    Args:
        pca: of `fit`, with k components or more.
        x: (N, C, H, W), in [0, 1].

    Returns:
        (N, C, H, W), float32, on the CPU; PCA may leave [0, 1].
    """
    return torch.from_numpy(_x_hat(pca, _flat(x, pca.components_.dtype), k)).float().reshape(x.shape)


def l1(pca, images: Images, k: int) -> float:
    """The mean absolute error per pixel value, over all of the images, of their first k components."""
    total = 0.0
    for x in images.batches(max(1, min(10_000, 20_000_000 // pca.components_.shape[1]))):
        flat = _flat(x, pca.components_.dtype)
        total += np.abs(flat - _x_hat(pca, flat, k)).sum(dtype=np.float64)
    return float(total) / images.pixels.numel()


def n_numbers(dim: int, bottleneck: int) -> int:
    """How many numbers PCA keeps: the mean image and k components of D values each."""
    return dim * (bottleneck + 1)


def _flat(x: torch.Tensor, kind: type | np.dtype) -> np.ndarray:
    return x.flatten(1).cpu().numpy().astype(kind, copy=False)


def _x_hat(pca, flat: np.ndarray, k: int) -> np.ndarray:
    components = pca.components_[:k]
    return pca.mean_ + (flat - pca.mean_) @ components.T @ components
