import dataclasses

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
