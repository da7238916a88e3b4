import pytest

from innae_utils import settings
from innae_utils.settings import ParameterError
from innae_utils.sweeps import check_sweep, read_pairs


def test_the_variational_models_and_our_variants_are_run_by_name_and_not_by_default():
    for known in settings.DATASETS.values():
        assert not {*settings.BY_NAME} & set(known.models)
    for dataset in ("digits", "mnist", "cifar10"):
        jobs = check_sweep({"dataset": dataset, "models": "inn_vae,classic_vae", "bottlenecks": "4"}).jobs
        assert {job.model for job in jobs} == {"inn_vae", "classic_vae"}
    assert {job.recipe for job in check_sweep({"models": "inn_vae"}).jobs} == {"paper"}
    assert {settings.family(model) for model in settings.VARIATIONAL} == {"inn", "classic"}


def test_a_sweep_lists_the_data_sets_own_choice():
    sweep = check_sweep({})
    assert len(sweep.jobs) == 2 * 5 * 3  # seeds, bottlenecks, curves
    assert {(job.model, job.recipe) for job in sweep.jobs} == {
        ("inn", "paper"), ("classic", "paper"), ("classic", "late"),
    }  # fmt: skip


def test_a_parameter_that_is_there_twice_is_refused():
    with pytest.raises(ParameterError, match="'seeds' is given 2 times"):
        read_pairs(["seeds=0", "dataset=mnist", "seeds=1"])


def test_a_sweep_takes_lists_with_commas():
    sweep = check_sweep({"dataset": "mnist", "bottlenecks": "12,32,12", "models": "classic,inn", "seeds": 3})
    assert [tuple(job) for job in sweep.jobs] == [
        ("classic", "paper", 12, 3), ("classic", "paper", 32, 3), ("inn", "paper", 12, 3), ("inn", "paper", 32, 3),
    ]  # fmt: skip
    assert {job.model for job in check_sweep({"recipes": "late"}).jobs} == {"classic"}
    assert {job.recipe for job in check_sweep({"models": "inn"}).jobs} == {"paper"}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"dataset": "minst"}, "allowed: digits, mnist, cifar10"),
        ({"bottleneck": "12"}, "no parameter 'bottleneck'; allowed: dataset"),
        ({"bottlenecks": "12,x"}, "'x' is no whole number; allowed: 1 to D = 64"),
        ({"seeds": "0-2"}, "'0-2' is no whole number; allowed: 0 to 2147483647; a list has commas: 1,2,3"),
        ({"bottlenecks": "12,65"}, "65 is out of range; allowed: 1 to D = 64"),
        ({"models": "classic_deep"}, "allowed: inn, classic"),
        ({"models": "inn", "recipes": "late"}, "'late' is not known for inn; allowed: double_lr, no_padding, paper"),
        ({"seeds": "-1"}, "-1 is out of range"),
        ({"device": "gpu"}, "allowed: auto, cpu"),
        ({"recompute": "perhaps"}, "allowed: true, false"),
        ({"device": "cuda:1"}, "For one card set the environment's CUDA_VISIBLE_DEVICES=1"),
        ({"threads": "many"}, "'many' is no whole number; allowed: 1 or more"),
    ],
)
def test_a_wrong_sweep_is_refused(given, said):
    with pytest.raises(ParameterError) as caught:
        check_sweep(given)
    assert said in str(caught.value)


def test_another_image_size_draws_into_a_folder_of_its_own(tmp_path):
    given = {"data_root": str(tmp_path), "figures": str(tmp_path)}

    def folder(dataset, size):
        return check_sweep({**given, "dataset": dataset, "image_size": size}).figure_folder

    assert folder("lfw", "") == folder("lfw", "authors") == tmp_path / "lfw"
    assert folder("lfw", "common") == tmp_path / "lfw_common"
    assert folder("mnist", "") == tmp_path / "mnist"
    own = tmp_path / "images" / settings.own_name(tmp_path)
    assert folder("images", "96,64") == folder("images", "96x64") == own.with_name(f"{own.name}_96x64")
    assert folder("images", "96,128") != folder("images", "96,64")
