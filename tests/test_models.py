import pytest
import torch
from conftest import random_weights
from torch import nn

from innae_utils import data, layers, models, results, settings
from innae_utils.settings import ParameterError

# Counted by hand from section 3.1 of the paper and the authors' code: a + b k.
PARAMETERS = {
    ("digits", "inn"): (76_696, 0),
    ("digits", "classic"): (395_072, 257),
    ("mnist", "inn"): (1_121_192, 0),
    ("mnist", "classic"): (1_133_072, 257),
    ("mnist", "classic_1024"): (5_806_864, 2_049),
    ("mnist", "classic_2048"): (20_001_552, 4_097),
    ("mnist", "classic_deep"): (7_906_064, 2_049),
    ("cifar10", "inn"): (13_235_176, 0),
    ("cifar10", "classic"): (12_549_379, 18_433),
    ("digits", "classic_leaky"): (395_072, 257),
    ("mnist", "classic_leaky"): (1_133_072, 257),
    ("cifar10", "classic_leaky"): (12_549_379, 18_433),
    ("mnist", "classic_1024_leaky"): (5_806_864, 2_049),
    ("mnist", "classic_deep_leaky"): (7_906_064, 2_049),
    ("digits", "inn_relu"): (76_696, 0),
    ("mnist", "inn_relu"): (1_121_192, 0),
    ("cifar10", "inn_relu"): (13_235_176, 0),
    ("cifar10", "inn_thesis"): (13_235_176, 0),
    # Twice the depth: each hidden layer of w units once more, w (w + 1) twice; 3 couplings more, of 2 subnets each.
    ("digits", "inn_double_depth"): (76_696 + 3 * 2 * 9_988, 0),
    ("mnist", "inn_double_depth"): (1_121_192 + 3 * 2 * 92_404, 0),
    ("digits", "classic_double_depth"): (395_072 + 2 * (512 * 513 + 256 * 257 + 128 * 129), 257),
    ("mnist", "classic_double_depth"): (1_133_072 + 2 * (512 * 513 + 256 * 257 + 128 * 129), 257),
    ("digits", "classic_leaky_double_depth"): (395_072 + 2 * (512 * 513 + 256 * 257 + 128 * 129), 257),
    ("digits", "classic_residual_double_depth"): (395_072 + 2 * (512 * 513 + 256 * 257 + 128 * 129), 257),
    ("mnist", "classic_residual_double_depth"): (1_133_072 + 2 * (512 * 513 + 256 * 257 + 128 * 129), 257),
    ("mnist", "classic_leaky_double_depth"): (1_133_072 + 2 * (512 * 513 + 256 * 257 + 128 * 129), 257),
    # The variational ones are their plain peers; a VAE's encoder ends in 2 k numbers, of 128 (9,216) + 1 weights each.
    ("digits", "inn_vae"): (76_696, 0),
    ("digits", "classic_mmd"): (395_072, 257),
    ("digits", "classic_vae"): (395_072, 386),
    ("mnist", "inn_vae"): (1_121_192, 0),
    ("mnist", "classic_mmd"): (1_133_072, 257),
    ("mnist", "classic_vae"): (1_133_072, 386),
    ("cifar10", "inn_vae"): (13_235_176, 0),
    ("cifar10", "classic_mmd"): (12_549_379, 18_433),
    ("cifar10", "classic_vae"): (12_549_379, 27_650),
    ("celeba", "inn"): (50_070_152, 0),
    ("celeba", "classic"): (55_612_163, 40_961),
    ("lfw", "inn"): (50_070_152, 0),
    ("lfw", "classic"): (55_612_163, 40_961),
}


@pytest.mark.parametrize(("dataset", "model"), PARAMETERS)
def test_trainable_parameters(dataset, model):
    fixed, each = PARAMETERS[dataset, model]
    for k in (1, 12, 64) if dataset in ("digits", "mnist") else (1, 64):
        assert models.n_params(models.build(model, dataset, k)) == fixed + each * k


def test_the_common_sizes_classic_model_by_hand():
    # Five 4 x 4 convolutions each way, 1024 x 4 x 4 features, k numbers: weights and biases added up by hand.
    encoder = (16 * 3 * 128 + 128) + (16 * 128 * 256 + 256) + (16 * 256 * 512 + 512) + 2 * 1024
    encoder += 16 * 512 * 1024 + 16 * 1024 * 1024
    decoder = 16 * 1024 * 1024 + 16 * 1024 * 512 + 16 * 512 * 256 + 16 * 256 * 128 + 16 * 128 * 3
    decoder += 1024 + 512 + 256 + 128 + 3
    for k in (1, 64):
        network = models.build("classic", "celeba", k, image_size="common")
        assert models.n_params(network) == encoder + decoder + 16_384 + k * (16_384 + 1 + 16_384)


@pytest.mark.parametrize("size", ["12,8", "32,48", "100,60", "156,128"])
@pytest.mark.parametrize("model", ["inn", "classic"])
def test_models_of_own_images_give_back_the_images_size(model, size):
    network = models.build(model, "images", 5, image_size=size)
    x = torch.rand(1, 3, *settings.parse_size(size))
    with torch.no_grad():
        assert network.encode(x).shape == (1, 5) and network(x).shape == x.shape


def test_every_model_is_counted():
    assert set(PARAMETERS) == {(dataset, model) for dataset, known in settings.MODELS.items() for model in known}


@pytest.mark.parametrize(("dataset", "model"), PARAMETERS)
def test_shapes(dataset, model):
    shape = settings.MODELS[dataset][model].shape
    network = models.build(model, dataset, 3)
    x = torch.rand(1, *shape)
    with torch.no_grad():
        y = network.encode(x)
        assert y.shape == (1, 3)
        assert network.decode(y).shape == network(x).shape == x.shape


def test_classic_layers_are_the_papers():
    network = models.build("classic", "mnist", 12)
    kinds = [type(layer).__name__ for layer in network.encoder]
    assert kinds == ["Flatten", "Linear", "ReLU", "Linear", "ReLU", "Linear", "ReLU", "Linear"]
    assert [layer.out_features for layer in network.encoder if isinstance(layer, nn.Linear)] == [512, 256, 128, 12]
    assert [layer.out_features for layer in network.decoder if isinstance(layer, nn.Linear)] == [128, 256, 512, 784]
    kinds = [type(layer).__name__ for layer in network.decoder]
    assert kinds == ["Linear", "ReLU", "Linear", "ReLU", "Linear", "ReLU", "Linear", "Tanh", "Unflatten"]


@pytest.mark.parametrize("dataset", ["digits", "cifar10"])
def test_a_vae_encodes_to_the_mean_of_its_posterior(dataset):
    network = models.build("classic_vae", dataset, 3, seed=1)
    x = torch.rand(5, *settings.MODELS[dataset]["classic_vae"].shape)
    with torch.no_grad():
        mean, log_variance = network.posterior(x)
        assert mean.shape == log_variance.shape == (5, 3)
        assert torch.equal(torch.cat((mean, log_variance), 1), network.encoder(x))
        assert torch.equal(network.encode(x), mean) and torch.equal(network(x), network.decode(mean))


@pytest.mark.parametrize("bottleneck", [2, 16, 32])
def test_a_vaes_noise_does_not_drown_the_means_at_the_start(bottleneck):
    images = data.load("digits", "test").batch(slice(None))
    with torch.no_grad():
        mean, log_variance = models.build("classic_vae", "digits", bottleneck, seed=1).posterior(images)
    assert (log_variance / 2).exp().mean() < mean.std(0).mean()


@pytest.mark.parametrize(
    ("dataset", "name"),
    [("mnist", "classic"), ("mnist", "classic_1024"), ("mnist", "classic_deep"), ("cifar10", "classic")],
)
def test_a_leaky_one_is_its_plain_network_with_the_inns_activation(dataset, name):
    leaky, plain = (models.build(of, dataset, 12, seed=3) for of in (f"{name}_leaky", name))
    assert all(torch.equal(one, two) for one, two in zip(leaky.parameters(), plain.parameters(), strict=True))
    pairs = [pair for pair in zip(leaky.modules(), plain.modules(), strict=True) if type(pair[0]) is not type(pair[1])]
    assert pairs and all(isinstance(two, nn.ReLU) for _, two in pairs)
    slopes = {one.negative_slope for one, _ in pairs}
    inn = models.build("inn", dataset, 12).modules()
    assert slopes == {module.negative_slope for module in inn if isinstance(module, nn.LeakyReLU)} == {0.1}
    assert not any(isinstance(module, nn.ReLU) for module in leaky.modules())


@pytest.mark.parametrize("bottleneck", [12, 128])  # 128: as wide as the layer before it, which adds nothing to it
def test_a_residual_network_whose_added_layers_say_nothing_is_the_shallower_one(bottleneck):
    deep, plain = (models.build(m, "mnist", bottleneck) for m in ("classic_residual_double_depth", "classic"))
    added = [module for module in deep.modules() if isinstance(module, layers.Residual)]
    assert len(added) == 6
    of_added = {id(parameter) for module in added for parameter in module.parameters()}
    rest = [parameter for parameter in deep.parameters() if id(parameter) not in of_added]
    x = torch.rand(5, 1, 28, 28)
    with torch.no_grad():
        for one, two in zip(rest, random_weights(plain).parameters(), strict=True):
            one.copy_(two)
        h = torch.randn(5, 512)
        torch.testing.assert_close(added[0](h), h + (h @ added[0][0].weight.T + added[0][0].bias).clamp(min=0))
        assert not torch.allclose(deep(x), plain(x))
        for module in added:
            nn.init.zeros_(module[0].weight)
            nn.init.zeros_(module[0].bias)
        torch.testing.assert_close(deep(x), plain(x))


@pytest.mark.parametrize(("precision", "recompute", "far"), [("fp32", True, 1e-6), ("bf16", False, 0.03)])
def test_a_residual_network_trains_in_16_bits_and_without_its_activations(precision, recompute, far):
    x, grads = torch.rand(20, 1, 8, 8), []
    for switches in ({}, {"precision": precision, "recompute": recompute}):
        network = models.build("classic_residual_double_depth", "digits", 8, seed=0).train()
        layers.set_training(network, **switches)
        (network(x) - x).abs().mean().backward()
        grads.append(torch.cat([parameter.grad.flatten() for parameter in network.parameters()]))
    apart = (grads[0] - grads[1]).norm() / grads[0].norm()
    assert apart < far and grads[0].norm() > 0 and (apart > 0) == (precision == "bf16")


@pytest.mark.parametrize("dataset", ["digits", "mnist", "cifar10"])
def test_the_inn_with_relus_is_the_inn_with_the_classic_models_activation(dataset):
    rectified, plain = (models.build(name, dataset, 12, seed=3) for name in ("inn_relu", "inn"))
    assert all(torch.equal(one, two) for one, two in zip(rectified.parameters(), plain.parameters(), strict=True))
    kinds = [(type(one), type(two)) for one, two in zip(rectified.modules(), plain.modules(), strict=True)]
    changed = [pair for pair in kinds if pair[0] is not pair[1]]
    couplings = 2 * sum(map(len, settings.MODELS[dataset]["inn"].conv_hidden))  # s and t together; x1 and x2 each
    assert changed == [(nn.ReLU, nn.LeakyReLU)] * (2 * couplings)
    assert not any(isinstance(module, nn.LeakyReLU) for module in rectified.modules())
    assert any(isinstance(module, nn.ReLU) for module in plain.modules()), "its dense coupling has them as it is"


@pytest.mark.parametrize(("variational", "plain"), [("inn_vae", "inn"), ("classic_mmd", "classic")])
def test_the_variational_models_are_the_very_networks_of_their_peers(variational, plain):
    one, two = (models.build(name, "mnist", 12, seed=3).state_dict() for name in (variational, plain))
    assert list(one) == list(two) and all(torch.equal(one[name], two[name]) for name in one)


def test_classic_initialisation_is_xavier_uniform():
    network = models.build("classic_1024", "mnist", 12)
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            bound = (6 / (layer.in_features + layer.out_features)) ** 0.5
            assert bound * 0.98 < layer.weight.abs().max() <= bound
            assert abs(layer.weight.std() / (bound / 3**0.5) - 1) < 0.05
            assert torch.all(layer.bias == 0.01)


def test_the_same_seed_gives_the_same_weights():
    one, two, other = (models.build("inn", "digits", 4, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("inn", "minst", 4), "allowed: digits, mnist"),
        (("resnet", "mnist", 4), "allowed: inn, classic"),
        (("inn", "mnist", 785), "1 to D = 784"),
        (("inn", "mnist", 0), "1 to D = 784"),
    ],
)
def test_what_cannot_be_built_is_refused(arguments, said):
    with pytest.raises(ParameterError, match=said):
        models.build(*arguments)


def test_an_unfinished_run_cannot_be_loaded(tmp_path):
    with pytest.raises(results.ResultError, match=r"result\.json is not a row"):
        models.load(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "size", "said"),
    [
        (("inn", "images", 4), "50,64", "the nearest good size is 52,64"),
        (("inn", "images", 4), "4,64", "8 pixels a side or more"),
        (("inn", "images", 4), "big", "allowed: height,width in pixels"),
        (("inn", "mnist", 4), "32,32", "image_size: '32,32' is not known for inn on mnist"),
        (("inn", "lfw", 4), "218x178", "allowed: '', '156x128', 'authors', 'common'"),
    ],
)
def test_a_size_that_there_is_no_model_for_is_refused(arguments, size, said):
    with pytest.raises(ParameterError, match=said):
        models.build(*arguments, image_size=size)
