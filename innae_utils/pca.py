"""Principal component analysis: the best linear autoencoder in the L2 sense, as a reference for every curve."""

from collections.abc import Sequence

import numpy as np

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


def l1_by_bottleneck(train: Images, test: Images, bottlenecks: Sequence[int]) -> dict[int, tuple[float, float]]:
    """Fit PCA to the training images once; (train L1, test L1) of the reconstruction from the first k components.

    Args:
        train: the images that mean and components come from.
        test: the images it is judged on.
        bottlenecks: the numbers of components k, each at most min(N, D).

    Returns:
        k -> mean absolute error per pixel value, over all training and over all test images.

    References: scikit-learn's PCA, not whitened: exact in float64 (eigenvectors of the covariance matrix), or, for
        images of more than `EXACT` numbers, in float32 by randomised range finding (Halko et al., 2011).
    """
    from sklearn.decomposition import PCA

    exact = recipe(int(np.prod(train.shape))) == "exact"
    solver = {"svd_solver": "covariance_eigh"} if exact else {"svd_solver": "randomized", "random_state": 0}
    pca = PCA(max(bottlenecks), **solver).fit(_flat(train, np.float64 if exact else np.float32))
    return {k: (_l1(pca, train, k), _l1(pca, test, k)) for k in bottlenecks}


def n_numbers(dim: int, bottleneck: int) -> int:
    """How many numbers PCA keeps: the mean image and k components of D values each."""
    return dim * (bottleneck + 1)


def _flat(images: Images, kind: type) -> np.ndarray:
    return images.batch(slice(None)).flatten(1).cpu().numpy().astype(kind, copy=False)


def _l1(pca, images: Images, k: int) -> float:
    components = pca.components_[:k]
    total = 0.0
    for x in images.batches(max(1, min(10_000, 20_000_000 // components.shape[1]))):
        x = x.flatten(1).cpu().numpy().astype(components.dtype, copy=False)
        centred = x - pca.mean_
        total += np.abs(centred - centred @ components.T @ components).sum(dtype=np.float64)
    return float(total) / images.pixels.numel()
