"""Principal component analysis: the best linear autoencoder in the L2 sense, as a reference for every curve."""

from collections.abc import Sequence

import numpy as np

from innae_utils.data import Images


def l1_by_bottleneck(train: Images, test: Images, bottlenecks: Sequence[int]) -> dict[int, tuple[float, float]]:
    """Fit PCA to the training images once; (train L1, test L1) of the reconstruction from the first k components.

    Args:
        train: the images that mean and components come from.
        test: the images it is judged on.
        bottlenecks: the numbers of components k, each at most min(N, D).

    Returns:
        k -> mean absolute error per pixel value, over all training and over all test images.

    References: scikit-learn's PCA, exact (eigenvectors of the covariance matrix), not whitened.
    """
    from sklearn.decomposition import PCA

    pca = PCA(max(bottlenecks), svd_solver="covariance_eigh").fit(_flat(train))
    return {k: (_l1(pca, train, k), _l1(pca, test, k)) for k in bottlenecks}


def n_numbers(dim: int, bottleneck: int) -> int:
    """How many numbers PCA keeps: the mean image and k components of D values each."""
    return dim * (bottleneck + 1)


def _flat(images: Images) -> np.ndarray:
    return images.batch(slice(None)).flatten(1).cpu().double().numpy()


def _l1(pca, images: Images, k: int) -> float:
    components = pca.components_[:k]
    total = 0.0
    for x in images.batches(10_000):
        x = x.flatten(1).cpu().double().numpy()
        centred = x - pca.mean_
        total += np.abs(centred - centred @ components.T @ components).sum()
    return float(total) / images.pixels.numel()
