"""What a plan adds up; the times themselves are the machine's."""

import pytest

from innae_utils import sweeps

plan = pytest.importorskip("plan", reason="file locks need a POSIX system")


def test_the_seconds_of_a_run_are_its_steps_and_its_evaluation():
    sweep = sweeps.check_sweep({"dataset": "mnist"})
    one = {"step": 0.5, "image": 0.001, "memory": 1.0}
    # 10 epochs of 468 batches of 128, both splits evaluated once
    assert plan.seconds_of(sweep, ("inn", "paper"), one, 7.0) == pytest.approx(7.0 + 4680 * 0.5 + 70_000 * 0.001)


def test_images_are_counted_once(monkeypatch, tmp_path):
    """And a warning of missing ones is given once, not for every kind of run and every number asked for."""
    (tmp_path / "lfw").mkdir()
    (tmp_path / "lfw" / "train_images.npy").touch()
    asked = []
    monkeypatch.setattr("innae_utils.data.prepare", lambda *a: asked.append(a) or {"train": 32, "test": 8})
    sweep = sweeps.check_sweep({"dataset": "lfw", "data_root": str(tmp_path)})
    one = {"step": 1.0, "image": 0.0, "memory": 1.0}
    assert plan.seconds_of(sweep, ("inn", "paper"), one, 0.0) == plan.seconds_of(sweep, ("inn", "paper"), one, 0.0) > 0
    assert plan.images_of(sweep) == {"train": 32, "test": 8} and len(asked) == 1


def test_a_quick_run_is_two_epochs_of_256_images():
    sweep = sweeps.check_sweep({"preset": "quick"})
    one = {"step": 1.0, "image": 0.0, "memory": 1.0}
    assert plan.seconds_of(sweep, ("inn", "paper"), one, 0.0) == 2 * 256 // 32


def test_a_sweep_takes_no_less_than_its_longest_run(monkeypatch, capsys):
    one = {"inn": {"step": 1.0, "image": 0.0, "memory": 1.0, "precision": "fp32"}}
    one["classic"] = {**one["inn"], "step": 0.0}
    monkeypatch.setattr(plan, "timed", lambda sweep, kind, threads, copies: one[kind[0]])
    monkeypatch.setattr(plan, "start_up", lambda: 0.0)
    sweep = {"dataset": "mnist", "models": "inn,classic", "bottlenecks": "12", "runs": "/nowhere", "device": "cpu"}
    jobs = sweeps.check_sweep(sweep).jobs
    results = {str(sweeps.check_sweep(sweep).result(job)) for job in jobs}
    monkeypatch.setattr(plan, "outputs_to_make", lambda given: results)
    assert plan.main([*(f"{name}={value}" for name, value in sweep.items()), "--cores", "2"]) == 0
    said = "2 at once with 1 thread(s) each: about 78 min, 2 MB at most\n"  # 4,680 steps of a second
    assert said in capsys.readouterr().out


def test_a_broken_row_is_a_run_still_to_do(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(plan, "timed", lambda *a: {"step": 1.0, "image": 0.0, "memory": 1.0, "precision": "fp32"})
    monkeypatch.setattr(plan, "start_up", lambda: 0.0)
    monkeypatch.setattr(plan, "outputs_to_make", lambda given: set())  # as to Snakemake, that file is there
    given = {"bottlenecks": "4", "models": "classic", "runs": str(tmp_path), "device": "cpu"}  # 2 recipes, 2 seeds
    (path := sweeps.check_sweep(given).result(sweeps.check_sweep(given).jobs[0])).parent.mkdir(parents=True)
    path.write_text("{}")
    assert plan.main([f"{name}={value}" for name, value in given.items()]) == 0
    assert "4 run(s) on digits, 3 of them there already\n" in capsys.readouterr().out


def test_on_cards_the_cores_and_the_places_both_limit_what_runs_at_once(monkeypatch, capsys):
    one = {"step": 1.0, "image": 0.0, "memory": 100.0, "precision": "bf16"}
    monkeypatch.setattr(plan.os, "getloadavg", lambda: (4.0, 0, 0))
    asked = []
    monkeypatch.setattr(plan, "timed", lambda sweep, kind, threads, copies: asked.append(copies) or one)
    monkeypatch.setattr(plan, "start_up", lambda: 0.0)
    monkeypatch.setattr(plan.slots, "visible", lambda: ["0", "1"])
    given = {"dataset": "mnist", "models": "inn", "runs": "/nowhere"}
    sweep = sweeps.check_sweep(given)
    monkeypatch.setattr(plan, "outputs_to_make", lambda given: {str(sweep.result(job)) for job in sweep.jobs})
    for cores, slots, at_once, memory in ((16, 1, 2, 100), (16, 3, 6, 300), (3, 4, 3, 200)):
        assert plan.main(["--cores", str(cores), *(f"{k}={v}" for k, v in given.items()), f"slots={slots}"]) == 0
        assert asked.pop() == at_once
        assert f"{at_once} at once" in (said := capsys.readouterr().out) and f"{memory} MB at most on a card" in said
        assert "12 run(s) of 78 min in bf16" in said and "a load of 4.0" in said


def test_copies_are_timed_on_all_cards_in_turn(monkeypatch):
    seen, killed = [], []

    class Process:
        returncode = 0

        def __init__(self, line, env, **pipes):
            seen.append(env["CUDA_VISIBLE_DEVICES"])

        def communicate(self):
            return '{"step": 1, "image": 1, "memory": 1, "precision": "fp32"}', ""

        def kill(self):
            killed.append(self)

    monkeypatch.setattr(plan.slots, "visible", lambda: ["3", "5"])
    monkeypatch.setattr(plan.subprocess, "Popen", Process)
    sweep = sweeps.check_sweep({"bottlenecks": "4"})
    assert plan.timed(sweep, ("classic", "late"), threads=1, copies=3)["step"] == 1 and seen == ["3", "5", "3"]
    Process.returncode = 1
    killed.clear()
    with pytest.raises(SystemExit, match="classic late could not be timed"):
        plan.timed(sweep, ("classic", "late"), threads=1, copies=3)
    assert len(killed) == 3, "the others do not go on"


def test_the_cores_are_shared_among_the_runs():
    assert sweeps.check_sweep({}).threads_each(8) == 1
    one_run = {"models": "inn", "bottlenecks": "4", "seeds": "0"}
    assert sweeps.check_sweep(one_run).threads_each(8) == 8
    assert sweeps.check_sweep({**one_run, "threads": "3"}).threads_each(8) == 3


def test_a_kind_is_timed_by_real_steps():
    sweep = sweeps.check_sweep({"bottlenecks": "4", "device": "cpu"})
    one = plan.timed(sweep, ("classic", "late"), threads=1, copies=1)
    assert 0 < one["step"] < 10 and 0 < one["image"] < 1 and one["memory"] > 50
