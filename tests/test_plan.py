"""What a plan adds up; the times themselves are the machine's."""

import pytest

from innae_utils import settings

plan = pytest.importorskip("plan", reason="file locks need a POSIX system")


def test_the_seconds_of_a_run_are_its_steps_and_its_evaluation():
    sweep = settings.check_sweep({"dataset": "mnist"})
    one = {"step": 0.5, "image": 0.001, "memory": 1.0}
    # 10 epochs of 468 batches of 128, both splits evaluated once
    assert plan.seconds_of(sweep, ("inn", "paper"), one, 7.0) == pytest.approx(7.0 + 4680 * 0.5 + 70_000 * 0.001)


def test_a_quick_run_is_two_epochs_of_256_images():
    sweep = settings.check_sweep({"preset": "quick"})
    one = {"step": 1.0, "image": 0.0, "memory": 1.0}
    assert plan.seconds_of(sweep, ("inn", "paper"), one, 0.0) == 2 * 256 // 32


def test_a_sweep_takes_no_less_than_its_longest_run(monkeypatch, capsys):
    one = {"inn": {"step": 1.0, "image": 0.0, "memory": 1.0}, "classic": {"step": 0.0, "image": 0.0, "memory": 1.0}}
    monkeypatch.setattr(plan, "timed", lambda sweep, kind, threads, copies: one[kind[0]])
    monkeypatch.setattr(plan, "start_up", lambda: 0.0)
    sweep = {"dataset": "mnist", "models": "inn,classic", "bottlenecks": "12", "runs": "/nowhere"}
    jobs = settings.check_sweep(sweep).jobs
    results = {str(settings.check_sweep(sweep).result(job)) for job in jobs}
    monkeypatch.setattr(plan, "outputs_to_make", lambda given: results)
    assert plan.main(["--cores", "2", *(f"{name}={value}" for name, value in sweep.items())]) == 0
    assert "2 at once with 1 thread(s) each: about 78 min" in capsys.readouterr().out  # 4,680 steps of a second


def test_the_cores_are_shared_among_the_runs():
    assert settings.check_sweep({}).threads_each(8) == 1
    one_run = {"models": "inn", "bottlenecks": "4", "seeds": "0"}
    assert settings.check_sweep(one_run).threads_each(8) == 8
    assert settings.check_sweep({**one_run, "threads": "3"}).threads_each(8) == 3


def test_a_kind_is_timed_by_real_steps():
    sweep = settings.check_sweep({"bottlenecks": "4"})
    one = plan.timed(sweep, ("classic", "late"), threads=1, copies=1)
    assert 0 < one["step"] < 10 and 0 < one["image"] < 1 and one["memory"] > 50
