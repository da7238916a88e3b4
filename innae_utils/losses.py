"""The losses: each a scalar, a mean over the batch and over elements.

References: section 2.2, equations (5) and (6); section 3.2 (L1 for the reconstruction, L2 for the zero-padding).
"""

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


def terms(model, x: Tensor) -> dict[str, Tensor]:
    """The loss terms of a batch x (B, C, H, W): `reconstruction`, and for an INN `zero_padding`."""
    if not hasattr(model, "transform"):
        return {"reconstruction": reconstruction(x, model(x))}
    y, z = model.transform(x)
    return {"reconstruction": reconstruction(x, model.decode(y)), "zero_padding": zero_padding(z)}


def total(terms: dict[str, Tensor], recipe: Recipe) -> Tensor:
    """The weighted sum of the loss terms, equation (5) for an INN."""
    return sum(getattr(recipe, f"weight_{name}") * term for name, term in terms.items())
