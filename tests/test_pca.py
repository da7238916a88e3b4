import numpy as np
import pytest
import torch

from innae_utils import data, pca
from innae_utils.data import Images


def test_against_the_singular_value_decomposition_written_out():
    rng = torch.Generator().manual_seed(0)
    train, test = (Images(torch.randint(0, 256, (n, 1, 4, 4), generator=rng, dtype=torch.uint8)) for n in (60, 25))
    x, t = (part.pixels.flatten(1).double().numpy() / 255 for part in (train, test))
    _, _, directions = np.linalg.svd(x - x.mean(0), full_matrices=False)
    fitted = pca.fit(train, 16)
    for k in (1, 3, 16):
        for values, images in ((x, train), (t, test)):
            l1 = pca.l1(fitted, images, k)
            kept = (values - x.mean(0)) @ directions[:k].T
            assert l1 == pytest.approx(np.abs(values - x.mean(0) - kept @ directions[:k]).mean(), abs=1e-7)
    x_hat = pca.reconstruct(fitted, test.batch(slice(None)), 3)
    expected = x.mean(0) + (t - x.mean(0)) @ directions[:3].T @ directions[:3]
    assert x_hat.shape == (25, 1, 4, 4) and x_hat.dtype == torch.float32
    np.testing.assert_allclose(x_hat.flatten(1).numpy(), expected, atol=1e-6)


def test_all_components_reconstruct_digits_exactly_and_fewer_ever_worse():
    fitted, test = pca.fit(data.load("digits", "train"), 64), data.load("digits", "test")
    errors = [pca.l1(fitted, test, k) for k in (2, 8, 32, 64)]
    assert errors == sorted(errors, reverse=True)
    assert errors[-1] < 1e-6
