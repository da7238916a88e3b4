import dataclasses

import numpy as np
import pytest
import torch

from innae_utils import losses, models, settings


def test_reconstruction_is_the_mean_absolute_error_by_a_plain_loop():
    x, x_hat = torch.rand(2, 3, 1, 2, 2, dtype=torch.float64)
    pairs = list(zip(x.flatten().tolist(), x_hat.flatten().tolist(), strict=True))
    assert float(losses.reconstruction(x, x_hat)) == pytest.approx(sum(abs(a - b) for a, b in pairs) / len(pairs))


def test_zero_padding_is_the_mean_square_by_a_plain_loop():
    z = torch.randn(3, 5, dtype=torch.float64)
    values = z.flatten().tolist()
    assert float(losses.zero_padding(z)) == pytest.approx(sum(v * v for v in values) / len(values))


def test_zero_padding_of_no_z_is_zero_and_not_nan():
    assert float(losses.zero_padding(torch.empty(4, 0))) == 0.0


def test_total_is_equation_5_with_its_weights():
    recipe = settings.find_recipe("mnist", "inn", "paper")
    terms = {"reconstruction": torch.tensor(2.0), "zero_padding": torch.tensor(3.0)}
    assert float(losses.total(terms, recipe)) == 5.0
    other = dataclasses.replace(recipe, weight_reconstruction=0.5, weight_zero_padding=4.0)
    assert float(losses.total(terms, other)) == 13.0


def test_terms_of_a_batch():
    x = torch.rand(4, 1, 8, 8)
    inn, classic = models.build("inn", "digits", 4), models.build("classic", "digits", 4)
    y, z = inn.transform(x)
    terms = losses.terms(inn, x)
    assert set(terms) == {"reconstruction", "zero_padding"}
    assert torch.equal(terms["zero_padding"], z.square().mean())
    assert torch.equal(terms["reconstruction"], (x - inn.inverse(y, torch.zeros_like(z))).abs().mean())
    assert set(losses.terms(classic, x)) == {"reconstruction"}


def test_gradient_of_equation_5_by_finite_differences():
    model = models.build("inn", "digits", 8, seed=3).double()
    recipe = settings.find_recipe("digits", "inn", "paper")
    x = torch.rand(2, 1, 8, 8, dtype=torch.float64)
    weight = model.inn[1].subnet1[0].weight
    torch.nn.init.normal_(model.inn[1].subnet1[-1].weight, std=0.1)
    direction = torch.randn_like(weight)

    def loss():
        return losses.total(losses.terms(model, x), recipe)

    loss().backward()
    slope = (weight.grad * direction).sum()
    with torch.no_grad():
        weight += 1e-6 * direction
        above = loss()
        weight -= 2e-6 * direction
        below = loss()
    assert float((above - below) / 2e-6) == pytest.approx(float(slope), rel=1e-5)


# ---- the distribution loss -------------------------------------------------------------------------------------


def mmd_by_hand(y, samples):
    """The definition, point by point: mean k(y, y') + mean k(s, s') - 2 mean k(y, s), diagonals kept."""

    def mean_kernel(us, vs):
        pairs = [sum((a - b) ** 2 for a, b in zip(u, v, strict=True)) for u in us for v in vs]
        return sum(a * a / (a * a + pair) for pair in pairs for a in (0.2, 0.5, 0.9, 1.3)) / len(pairs)

    return mean_kernel(y, y) + mean_kernel(samples, samples) - 2 * mean_kernel(y, samples)


@pytest.mark.parametrize(("n", "m", "k"), [(7, 7, 1), (5, 9, 3), (16, 16, 12)])
def test_mmd_is_its_definition_by_a_double_loop_in_value_and_gradient(n, m, k):
    y = torch.randn(n, k, dtype=torch.float64, requires_grad=True)
    samples = 0.5 + torch.randn(m, k, dtype=torch.float64)
    value = losses.mmd(y, samples)
    by_hand = mmd_by_hand(list(y), samples.tolist())  # scalars of y keep their graph
    assert float(value.detach()) == pytest.approx(float(by_hand.detach()), rel=1e-12)
    ours, theirs = (torch.autograd.grad(loss, y)[0] for loss in (value, by_hand))
    assert torch.allclose(ours, theirs, rtol=1e-9, atol=1e-12) and ours.abs().max() > 1e-3


def test_the_kernel_is_scikit_learns_rational_quadratic():
    """(1 + d^2 / (2 alpha l^2))^-alpha at alpha = 1 and l = a / sqrt 2 is a^2 / (a^2 + d^2)."""
    from sklearn.gaussian_process.kernels import RationalQuadratic

    u, v = np.random.default_rng(0).normal(size=(2, 20, 4))
    theirs = sum(RationalQuadratic(length_scale=a / 2**0.5, alpha=1)(u, v) for a in losses.MMD_WIDTHS)
    assert np.allclose(losses.kernel(torch.from_numpy(u), torch.from_numpy(v)).numpy(), theirs, rtol=1e-12)


def test_mmd_and_its_gradient_are_those_of_scikit_learns_kernels():
    """The value from scikit-learn's kernel matrices, the gradient by central differences of that value."""
    from sklearn.gaussian_process.kernels import RationalQuadratic

    kernels = [RationalQuadratic(length_scale=a / 2**0.5, alpha=1) for a in losses.MMD_WIDTHS]

    def theirs(u, v):
        return sum(k(u, u).mean() + k(v, v).mean() - 2 * k(u, v).mean() for k in kernels)

    rng = np.random.default_rng(1)
    y, samples = rng.normal(size=(7, 3)), rng.normal(size=(9, 3))
    ours = torch.from_numpy(y).requires_grad_()
    value = losses.mmd(ours, torch.from_numpy(samples))
    value.backward()
    assert float(value.detach()) == pytest.approx(theirs(y, samples), rel=1e-12)
    numeric = np.empty_like(y)
    for place in np.ndindex(*y.shape):
        step = np.zeros_like(y)
        step[place] = 1e-5
        numeric[place] = (theirs(y + step, samples) - theirs(y - step, samples)) / 2e-5
    assert np.allclose(ours.grad.numpy(), numeric, atol=1e-9) and np.abs(numeric).max() > 1e-3


def test_gradient_of_mmd_by_finite_differences():
    y, samples = torch.randn(2, 6, 4, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda v: losses.mmd(v, samples), y.requires_grad_())


def test_mmd_in_float32_is_that_in_float64_for_points_that_coincide():
    """The squared distances come from a product, where rounding is worst at a distance of zero."""
    y = torch.randn(64, 16) * 3
    exact = losses.mmd(y.double(), y.double().flip(0) + 1e-3)
    assert float(losses.mmd(y, y.flip(0) + 1e-3)) == pytest.approx(float(exact), abs=1e-4)


def test_mmd_of_equal_distributions_has_the_stated_mean():
    u, v = torch.randn(2, 4000, 2, dtype=torch.float64)
    mean_k = losses.kernel(u, v).mean()
    seen = torch.stack([losses.mmd(*torch.randn(2, 32, 2, dtype=torch.float64)) for _ in range(400)])
    expected = (4 - mean_k) * (1 / 32 + 1 / 32)
    assert abs(seen.mean() - expected) < 4 * seen.std() / 400**0.5


def test_kl_is_torchs_between_normal_distributions():
    from torch.distributions import Normal, kl_divergence

    mean, log_variance = torch.randn(2, 5, 3, dtype=torch.float64)
    theirs = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(torch.zeros_like(mean), 1.0))
    assert float(losses.kl(mean, log_variance)) == pytest.approx(float(theirs.sum(1).mean()), rel=1e-12)


@torch.no_grad()
def test_terms_of_the_variational_models():
    x = torch.rand(6, 1, 8, 8)
    expected = {
        "inn_vae": {"reconstruction", "zero_padding", "mmd"},
        "classic_mmd": {"reconstruction", "mmd"},
        "classic_vae": {"reconstruction", "kl"},
        "inn": {"reconstruction", "zero_padding"},
        "classic": {"reconstruction"},
    }
    for name, terms in expected.items():
        network, recipe = models.build(name, "digits", 4, seed=0), settings.find_recipe("digits", name, "paper")
        found = losses.terms(network, x, recipe, torch.Generator().manual_seed(5))
        assert set(found) == terms
        again = losses.terms(network, x, recipe, torch.Generator().manual_seed(5))
        assert all(torch.equal(found[term], again[term]) for term in terms)
        total = sum(getattr(recipe, f"weight_{term}") * float(found[term]) for term in terms)
        assert float(losses.total(found, recipe)) == pytest.approx(total, rel=1e-6)
        assert all(getattr(recipe, f"weight_{term}") > 0 for term in terms), "each term counts"
    samples = torch.randn(6, 4, generator=torch.Generator().manual_seed(5))
    inn = models.build("inn_vae", "digits", 4, seed=0)
    found = losses.terms(inn, x, settings.find_recipe("digits", "inn_vae", "paper"), torch.Generator().manual_seed(5))
    assert torch.equal(found["mmd"], losses.mmd(inn.encode(x), samples))


def test_a_vaes_loss_is_the_negative_evidence_lower_bound_up_to_its_scale():
    """reconstruction + w KL = (b / D) (-ELBO - D log 2b), for a Laplace likelihood of scale b and w = b / D."""
    from torch.distributions import Laplace, Normal, kl_divergence

    recipe = settings.find_recipe("digits", "classic_vae", "paper")
    network = models.build("classic_vae", "digits", 4, seed=0).double()
    x, b, dim = torch.rand(6, 1, 8, 8, dtype=torch.float64), settings.LAPLACE_SCALE, 64
    loss = losses.total(losses.terms(network, x, recipe, torch.Generator().manual_seed(5)), recipe)
    mean, log_variance = network.posterior(x)
    noise = torch.randn(6, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(5))
    x_hat = network.decode(mean + (log_variance / 2).exp() * noise)
    divergence = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(torch.zeros_like(mean), 1.0)).sum(1)
    elbo = (Laplace(x_hat, b).log_prob(x).flatten(1).sum(1) - divergence).mean()
    expected = b / dim * (-elbo - dim * np.log(2 * b))
    assert loss.item() == pytest.approx(expected.item(), rel=1e-10)


def test_gradients_reach_both_halves_of_a_vaes_encoder():
    network = models.build("classic_vae", "digits", 4, seed=0).double()
    recipe = dataclasses.replace(settings.find_recipe("digits", "classic_vae", "paper"), weight_kl=0.0)
    x, last = torch.rand(6, 1, 8, 8, dtype=torch.float64), network.encoder[-1].bias

    def loss():
        return losses.total(losses.terms(network, x, recipe, torch.Generator().manual_seed(5)), recipe)

    loss().backward()
    for i in (0, 7):  # a mean's bias and a log variance's
        with torch.no_grad():
            last[i] += 1e-6
            above = loss()
            last[i] -= 2e-6
            below = loss()
            last[i] += 1e-6
        slope = float(above - below) / 2e-6
        assert abs(slope) > 1e-6 and float(last.grad[i]) == pytest.approx(slope, rel=1e-4)
