"""The losses: each a scalar, a mean over the batch and over elements.

References: section 2.2, equations (5) and (6); section 3.2 (L1 for the reconstruction, L2 for the zero-padding).
"""

import torch
from torch import Tensor

from innae_utils.settings import Recipe


def reconstruction(x: Tensor, x_hat: Tensor) -> Tensor:
    """Mean absolute error per pixel value, mean |x - x_hat|, of x and x_hat (B, C, H, W).

    Example:
        >>> import torch
        >>> reconstruction(torch.tensor([[0.0, 1.0]]), torch.tensor([[0.5, 0.5]]))
        tensor(0.5000)
    """
    return (x - x_hat).abs().mean()


def zero_padding(z: Tensor) -> Tensor:
    """Omega(z, 0) = mean z^2 of z (B, D - k); zero if there is no z, at k = D.

    Example:
        >>> import torch
        >>> zero_padding(torch.tensor([[1.0, -3.0]])), zero_padding(torch.empty(2, 0))
        (tensor(5.), tensor(0.))
    """
    return z.square().mean() if z.numel() else z.new_zeros(())


MMD_WIDTHS = (0.2, 0.5, 0.9, 1.3)  # the authors'


def kernel(u: Tensor, v: Tensor) -> Tensor:
    """The sum over the widths a of the inverse multiquadratics a^2 / (a^2 + ||u - v||^2): u (n, k), v (m, k) -> (n, m).

    Each entry lies in (0, 4]; 4 is a point with itself.
    """
    squared = (u.square().sum(1)[:, None] + v.square().sum(1) - 2 * u @ v.T).clamp(min=0)  # rounding may go below 0
    return sum(a**2 / (a**2 + squared) for a in MMD_WIDTHS)


def mmd(y: Tensor, samples: Tensor) -> Tensor:
    """Squared maximum mean discrepancy between y (n, k) and samples (m, k) of the prior, a scalar from 0 to 8.

    The biased estimator, mean k(y, y') + mean k(s, s') - 2 mean k(y, s), a point's pair with itself counted: two equal
    distributions give (4 - mean k) (1 / n + 1 / m) on average and not zero. The pairs with itself add no gradient.

    References: equation (6); Gretton et al., "A kernel two-sample test" (JMLR 2012), equation (5); the kernel as in
    Ardizzone et al., "Analyzing inverse problems with invertible neural networks" (ICLR 2019), widths from the
    authors' code.

    Example:
        >>> one = torch.zeros(3, 2)
        >>> mmd(one, one), mmd(one, one + 1e6)
        (tensor(0.), tensor(8.))
    """
    return kernel(y, y).mean() + kernel(samples, samples).mean() - 2 * kernel(y, samples).mean()


def kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, I)) of means and log variances (B, k): the sum over k, the mean over B, in nats.

    References: Kingma and Welling, "Auto-encoding variational Bayes" (ICLR 2014), appendix B.

    Example:
        >>> kl(torch.tensor([[0.0, 2.0]]), torch.zeros(1, 2))
        tensor(2.)
    """
    return (mean.square() + log_variance.exp() - 1 - log_variance).sum(1).mean() / 2


def normal_like(y: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Samples of N(0, I), shaped as y; drawn on the CPU, so that every device sees the same numbers."""
    return torch.randn(y.shape, generator=generator, dtype=y.dtype).to(y.device)


def terms(
    model, x: Tensor, recipe: Recipe | None = None, generator: torch.Generator | None = None
) -> dict[str, Tensor]:
    """The loss terms of a batch x (B, C, H, W).

    Args:
        model: any model; its kind decides the terms that need nothing random but for a VAE's own noise.
        x: the batch.
        recipe: `mmd` is among the terms if this gives it a weight.
        generator: where the noise of a VAE and the prior's samples come from; None is torch's own.

    Returns:
        `reconstruction`; for an INN `zero_padding`; for a VAE `kl`, the reconstruction then being that of a drawn y;
        for all of them `mmd` between y and as many samples of N(0, I), if it is asked for.
    """
    found = {}
    if hasattr(model, "posterior"):
        mean, log_variance = model.posterior(x)
        y = mean + (log_variance / 2).exp() * normal_like(mean, generator)  # reparameterised: a gradient reaches both
        found["kl"] = kl(mean, log_variance)
    elif hasattr(model, "transform"):
        y, z = model.transform(x)
        found["zero_padding"] = zero_padding(z)
    else:
        y = model.encode(x)
    if recipe is not None and recipe.weight_mmd:
        found["mmd"] = mmd(y, normal_like(y, generator))
    return {"reconstruction": reconstruction(x, model.decode(y)), **found}


def total(terms: dict[str, Tensor], recipe: Recipe) -> Tensor:
    """The weighted sum of the loss terms: equation (5) for an INN, with `mmd` equation (6)."""
    return sum(getattr(recipe, f"weight_{name}") * term for name, term in terms.items())
