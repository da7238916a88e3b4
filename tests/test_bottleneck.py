import pytest
import torch
from conftest import build_random

from innae_utils import settings

ALL = [(dataset, model) for dataset, known in settings.MODELS.items() for model in known]
SMALL = [pair for pair in ALL if pair[0] != "celeba"]


def images(dataset, model, count, dtype=torch.float64):
    return torch.rand(count, *settings.MODELS[dataset][model].shape, dtype=dtype)


def test_y_is_the_first_k_numbers_and_z_the_rest():
    model = build_random("inn", "digits", 5)
    x = images("digits", "inn", 3)
    latent = model.inn(x)[0].flatten(1)
    y, z = model.transform(x)
    assert torch.equal(y, latent[:, :5]) and torch.equal(z, latent[:, 5:])
    assert torch.equal(model.encode(x), y)


def test_decode_is_the_inverse_with_z_zero():
    model = build_random("inn", "digits", 5)
    x = images("digits", "inn", 3)
    y, z = model.transform(x)
    assert torch.equal(model.decode(y), model.inverse(y, torch.zeros_like(z)))
    assert torch.equal(model(x), model.decode(model.encode(x)))
    assert (model(x) - x).abs().max() > 1e-2


@pytest.mark.parametrize("dataset", ["digits", "mnist"])
def test_at_k_equal_to_d_the_reconstruction_is_exact(dataset):
    model = build_random("inn", dataset, settings.dim_of(settings.spec_of(dataset, "inn")))
    x = images(dataset, "inn", 2)
    assert (model(x) - x).abs().max() < 1e-12


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize(("dataset", "model"), SMALL)
def test_the_jacobian_of_x_hat_has_rank_k(dataset, model, k):
    """J V for k + 5 random directions V has the rank of J if that is below k + 5: a decoder fed past the bottleneck
    would show at once."""
    network = build_random(model, dataset, k)
    x = images(dataset, model, 1)
    columns = []
    for _ in range(k + 5):
        _, column = torch.autograd.functional.jvp(network, x, torch.randn_like(x))
        columns.append(column.flatten())
    singular = torch.linalg.svdvals(torch.stack(columns, dim=1))
    assert singular[k - 1] > 1e-8 * singular[0], "k numbers must count"
    assert singular[k] < 1e-9 * singular[0], "and no more than k"


def test_the_whole_jacobian_of_the_digits_models_has_rank_k():
    for model in ("inn", "classic"):
        network = build_random(model, "digits", 3)
        x = images("digits", model, 1)
        jacobian = torch.autograd.functional.jacobian(network, x).reshape(64, 64)
        assert torch.linalg.matrix_rank(jacobian, rtol=1e-9) == 3


@pytest.mark.parametrize(("dataset", "model"), SMALL)
def test_no_call_changes_its_argument(dataset, model):
    network = build_random(model, dataset, 4)
    calls = [(network, images(dataset, model, 2)), (network.encode, images(dataset, model, 2))]
    calls.append((network.decode, network.encode(calls[0][1]).detach()))
    if model == "inn":
        calls += [(network.transform, images(dataset, model, 2)), (network.log_det, images(dataset, model, 2))]
        calls.append((network.inverse, *(part.detach() for part in network.transform(calls[0][1]))))
    for call, *arguments in calls:
        before = [argument.clone() for argument in arguments]
        call(*arguments)
        assert all(torch.equal(a, b) for a, b in zip(arguments, before, strict=True)), call


def test_the_inn_is_the_same_network_at_every_bottleneck():
    small, large = (build_random("inn", "digits", k) for k in (2, 32))
    large.load_state_dict(small.state_dict())
    x = images("digits", "inn", 2)
    assert torch.equal(torch.cat(small.transform(x), 1), torch.cat(large.transform(x), 1))
