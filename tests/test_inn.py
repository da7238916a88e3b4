"""The INN against the paper's equations, written out by hand, and against autograd."""

import math

import pytest
import torch
from conftest import build_random, random_weights

from innae_utils import bottleneck, inn, models, sensitivity, settings

CLIP = 0.636  # s -> 0.636 atan(s): the authors' soft clip at clamp 1


def clip(s):
    return CLIP * torch.atan(s)


def halves(block, u, which):
    """(s, t) of a coupling half, before the clip: one subnetwork for both (GLOW), or one each (Real NVP)."""
    if hasattr(block, "subnet1"):
        out = getattr(block, f"subnet{which}")(u)
        return out.chunk(2, dim=1)
    return getattr(block, f"subnet_s{which}")(u), getattr(block, f"subnet_t{which}")(u)


def by_hand(block, x):
    """Equations (1) and (2)."""
    x1, x2 = x.chunk(2, dim=1)
    s2, t2 = halves(block, x2, 2)
    y1 = x1 * torch.exp(clip(s2)) + t2
    s1, t1 = halves(block, y1, 1)
    y2 = x2 * torch.exp(clip(s1)) + t1
    return torch.cat((y1, y2), dim=1)


def by_hand_inverse(block, y):
    """Equations (3) and (4); (4) comes first, since (3) needs x2."""
    y1, y2 = y.chunk(2, dim=1)
    s1, t1 = halves(block, y1, 1)
    x2 = (y2 - t1) * torch.exp(-clip(s1))
    s2, t2 = halves(block, x2, 2)
    x1 = (y1 - t2) * torch.exp(-clip(s2))
    return torch.cat((x1, x2), dim=1)


def haar_by_hand(x):
    """(B, C, H, W) -> (B, 4 C, H/2, W/2), channels a1 v1 h1 d1 a2 ...: orthonormal 2 x 2 Haar."""
    a, b, c, d = x[..., ::2, ::2], x[..., ::2, 1::2], x[..., 1::2, ::2], x[..., 1::2, 1::2]
    bands = [a + b + c + d, a - b + c - d, a + b - c - d, a - b - c + d]
    return (torch.stack(bands, dim=2) / 2).flatten(1, 2)


def couplings(network):
    return [block for block in network if hasattr(block, "split_len1")]


@pytest.mark.parametrize("dataset", settings.MODELS)
def test_every_coupling_is_equations_1_to_4(dataset):
    network = random_weights(inn.build(settings.MODELS[dataset]["inn"])).double()
    for block, shape in zip(network, network.shapes, strict=False):
        if not hasattr(block, "split_len1"):
            continue
        size = shape if len(shape) == 1 else (shape[0], *(min(side, 8) for side in shape[1:]))
        x = torch.randn(2, *size, dtype=torch.float64)
        (y,), _ = block((x,))
        assert (y - by_hand(block, x)).abs().max() < 1e-10
        assert (y - x).abs().max() > 1e-2, "random weights must not leave the coupling the identity"
        (back,), _ = block((y,), rev=True)
        assert (back - by_hand_inverse(block, y)).abs().max() < 1e-10
        assert (back - x).abs().max() < 1e-10


def test_the_whole_network_is_haar_couplings_haar_in_the_papers_order():
    model = build_random("inn", "mnist", 12)
    x = torch.rand(3, 1, 28, 28, dtype=torch.float64)
    blocks = couplings(model.inn)
    assert [hasattr(block, "subnet1") for block in blocks] == [True, True, True, False]
    latent = haar_by_hand(x)
    for block in blocks[:3]:
        latent = by_hand(block, latent)
    latent = by_hand(blocks[3], latent.flatten(1)).reshape(latent.shape)
    expected = haar_inverse_by_hand(latent)
    y, z = model.transform(x)
    assert (torch.cat((y, z), 1) - expected.flatten(1)).abs().max() < 1e-10


def haar_inverse_by_hand(bands):
    a, v, h, d = bands.unflatten(1, (-1, 4)).unbind(2)
    out = bands.new_empty(len(bands), a.shape[1], 2 * a.shape[2], 2 * a.shape[3])
    out[..., ::2, ::2], out[..., ::2, 1::2] = (a + v + h + d) / 2, (a - v + h - d) / 2
    out[..., 1::2, ::2], out[..., 1::2, 1::2] = (a + v - h - d) / 2, (a - v - h + d) / 2
    return out


@pytest.mark.parametrize(("dtype", "bound"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("dataset", ["digits", "mnist", "cifar10"])
def test_round_trip(dataset, dtype, bound):
    model = build_random("inn", dataset, 4, dtype)
    x = torch.rand(4, *settings.MODELS[dataset]["inn"].shape, dtype=dtype)
    with torch.no_grad():
        y, z = model.transform(x)
        assert (torch.cat((y, z), 1) - x.flatten(1)).abs().mean() > 1e-2
        assert (model.inverse(y, z) - x).abs().max() < bound


def test_round_trip_with_two_haar_levels():
    model = build_random("inn", "celeba", 64)
    x = torch.rand(1, 3, 156, 128, dtype=torch.float64)
    with torch.no_grad():
        assert (model.inverse(*model.transform(x)) - x).abs().max() < 1e-12


def test_log_det_is_that_of_autograds_jacobian():
    model = build_random("inn", "digits", 4)
    x = torch.rand(2, 1, 8, 8, dtype=torch.float64)
    log_det = model.log_det(x)
    assert log_det.shape == (2,)
    for image, value in zip(x, log_det, strict=True):
        jacobian = torch.autograd.functional.jacobian(lambda v: torch.cat(model.transform(v[None]), 1)[0], image)
        expected = torch.linalg.slogdet(jacobian.reshape(64, 64)).logabsdet
        assert abs(value - expected) < 1e-10
        assert abs(expected) > 1e-2


@pytest.mark.parametrize("z_scale", [0.03, torch.linspace(0.01, 0.5, 60, dtype=torch.float64)])
def test_log_prob_is_the_change_of_variables_with_autograds_jacobian(z_scale):
    model = build_random("inn_vae", "digits", 4)
    x = torch.rand(3, 1, 8, 8, dtype=torch.float64)
    scale = torch.cat((torch.ones(4), torch.as_tensor(z_scale, dtype=torch.float64).expand(60)))
    prior = torch.distributions.MultivariateNormal(torch.zeros(64, dtype=torch.float64), torch.diag(scale**2))
    for image, value in zip(x, model.log_prob(x, z_scale), strict=True):
        latent = torch.cat(model.transform(image[None]), 1)[0]
        jacobian = torch.autograd.functional.jacobian(lambda v: torch.cat(model.transform(v[None]), 1)[0], image)
        expected = prior.log_prob(latent) + torch.linalg.slogdet(jacobian.reshape(64, 64)).logabsdet
        assert value.item() == pytest.approx(expected.item(), rel=1e-10)


def test_log_prob_is_a_density_that_integrates_to_1():
    """On images of 2 x 2, by importance sampling from a broad density."""
    torch.manual_seed(1)
    spec = settings.InnSpec((1, 2, 2), ((8,),), 8)
    model = random_weights(bottleneck.InvertibleAutoencoder(inn.build(spec), spec.shape, 2), scale=0.5).double()
    broad = torch.distributions.StudentT(5.0, torch.zeros(1, 2, 2, dtype=torch.float64), 1.5)
    with torch.no_grad():
        x = broad.sample((400_000,))
        weights = (model.log_prob(x, 0.7) - broad.log_prob(x).flatten(1).sum(1)).exp()
    error = weights.std() / len(weights) ** 0.5
    assert error < 0.01 and abs(weights.mean() - 1) < 4 * error


@pytest.mark.parametrize("dataset", ["digits", "mnist", "cifar10"])
def test_the_log_determinant_of_the_inverse_is_minus_that_of_the_map(dataset):
    model = build_random("inn_vae", dataset, 4)
    x = torch.rand(4, *settings.MODELS[dataset]["inn_vae"].shape, dtype=torch.float64)
    with torch.no_grad():
        y, z = model.transform(x)
        forward, backward = model.log_det(x), model.latent_log_det(y, z)
        again = model.log_prob(model.inverse(y, z), 0.1)
        assert forward.abs().min() > 1e-2
        assert (forward + backward).abs().max() < 1e-9 * forward.abs().max()
        normal = torch.distributions.Normal(0, 1).log_prob
        from_latent = normal(y).sum(1) + (normal(z / 0.1) - math.log(0.1)).sum(1) - backward
        assert torch.allclose(again, from_latent, rtol=1e-10)


def test_initialisation_is_the_authors():
    network = inn.build(settings.MODELS["mnist"]["inn"])
    stacks = [module for module in network.modules() if isinstance(module, inn.Stack)]
    assert len(stacks) == 3 * 2 + 4
    drawn = []
    for stack in stacks:
        assert not stack[-1].weight.any() and not stack[-1].bias.any()
        drawn += [p.flatten() for layer in list(stack)[:-1] for p in layer.parameters()]
    drawn = torch.cat(drawn)
    n = len(drawn)
    assert abs(drawn.std() - 0.1) < 5 * 0.1 / math.sqrt(2 * n)
    assert abs(drawn.mean()) < 5 * 0.1 / math.sqrt(n)
    x = torch.rand(2, 1, 28, 28)
    assert (network(x)[0] - x).abs().max() < 1e-6, "the network starts as the identity"


@pytest.mark.parametrize("block", [inn.HaarDown, inn.HaarUp])
@pytest.mark.parametrize("rev", [False, True])
def test_haar_leaves_its_argument_alone(block, rev):
    down = (block is inn.HaarDown) != rev
    shape = (2, 4, 4) if block is inn.HaarDown else (8, 2, 2)
    x = torch.rand(3, *((2, 4, 4) if down else (8, 2, 2)))
    before = x.clone()
    block([shape])((x,), rev=rev)
    assert torch.equal(x, before)


def test_the_clip_bounds_every_scale():
    model = random_weights(models.build("inn", "digits", 4), scale=50.0).double()
    block = couplings(model.inn)[0]
    x = torch.randn(64, 4, 4, 4, dtype=torch.float64)
    _, log_det = block((x,))
    assert log_det.abs().max() <= 64 * CLIP * math.pi / 2


def test_the_thesis_lays_the_haar_channels_out_as_48_before_the_last_haar_step():
    network, x = models.build("inn_thesis", "cifar10", 256, seed=0), torch.rand(4, 3, 32, 32)
    with torch.no_grad():
        latent, log_det = network.inn(x)
    coefficients = haar_by_hand(x).flatten(1)  # at the start all couplings are the identity
    laid = haar_by_hand(latent.reshape(4, 12, 16, 16))
    assert torch.allclose(laid, coefficients.reshape(4, 48, 8, 8), atol=1e-5)
    assert torch.allclose(log_det, torch.zeros(4))


@pytest.mark.parametrize(("k", "same"), [(256, True), (512, True), (1024, True), (64, False), (128, False)])
def test_the_thesis_keeps_what_the_inn_without_its_last_haar_step_keeps_channel_by_channel(k, same):
    """Within a Haar channel its last step only turns the numbers: with whole channels kept both losses are the same."""
    thesis, plain = (build_random(model, "cifar10", k, torch.float64) for model in ("inn_thesis", "inn"))
    ours = [parameter for parameter in plain.parameters() if parameter.requires_grad]
    theirs = [parameter for parameter in thesis.parameters() if parameter.requires_grad]
    for one, two in zip(ours, theirs, strict=True):
        two.data = one.data
    x = torch.rand(4, 3, 32, 32, dtype=torch.float64)

    def losses(model):
        with torch.no_grad():
            return [model(x), model.transform(x)[1].square().mean(1)]

    as_published = losses(plain)
    sensitivity.keep_coefficients(plain)
    for one, two, published in zip(losses(thesis), losses(plain), as_published, strict=True):
        assert torch.allclose(one, two) is same
        assert torch.allclose(one, published) is (k == 1024), "all of the first colour"
