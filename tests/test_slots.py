"""A GPU's places are given out once each, and come back however a process ends. No GPU is needed to see that."""

import subprocess
import sys
import time

import pytest

from innae_utils import settings

slots = pytest.importorskip("slots", reason="file locks need a POSIX system")


def test_the_first_place_of_every_card_comes_before_the_second_of_any(tmp_path):
    held = [slots.take(["0", "1"], 2, tmp_path) for _ in range(4)]
    assert [gpu for gpu, _ in held] == ["0", "1", "0", "1"]
    held[1][1].close()
    gpu, lock = slots.take(["0", "1"], 2, tmp_path)
    assert gpu == "1"
    for other in [lock, *(lock for _, lock in held)]:
        other.close()


HOLD = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import slots
gpu, lock = slots.take(["0"], 1, Path(sys.argv[2]), wait=0.05)
print("held", gpu, flush=True)
time.sleep(float(sys.argv[3]))
"""


def holder(tmp_path, seconds):
    line = [sys.executable, "-c", HOLD, str(settings.PROJECT / "workflow"), str(tmp_path), str(seconds)]
    return subprocess.Popen(line, stdout=subprocess.PIPE, text=True)


def test_a_full_card_is_waited_for_and_a_killed_process_frees_its_place(tmp_path):
    with holder(tmp_path, 600) as first:
        assert first.stdout.readline() == "held 0\n"
        with holder(tmp_path, 0) as second:
            time.sleep(1)
            assert second.poll() is None, "it must wait"
            first.kill()
            assert second.communicate(timeout=60)[0] == "held 0\n"


def test_the_command_sees_its_card_alone_and_its_exit_code_is_kept(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    script = settings.PROJECT / "workflow" / "slots.py"
    code = "import os, sys; print(os.environ['CUDA_VISIBLE_DEVICES']); sys.exit(7)"
    line = [sys.executable, str(script), "3", "1", "--", sys.executable, "-c", code]
    done = subprocess.run(line, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (7, "3\n")


def test_the_place_is_the_commands_own(tmp_path, monkeypatch):
    """It is free when the command dies, and not before: there is no second process whose death would free it."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    script = settings.PROJECT / "workflow" / "slots.py"
    code = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"
    line = [sys.executable, str(script), "3", "1", "--", sys.executable, "-c", code]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as first:
        assert int(first.stdout.readline()) == first.pid
        folder = tmp_path / "innae-gpu-slots"
        assert folder.stat().st_mode & 0o777 == 0o777, "for every user"
        assert [path.stat().st_mode & 0o777 for path in folder.iterdir()] == [0o666]
        with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as second:
            time.sleep(1)
            assert second.poll() is None
            first.kill()
            assert int(second.stdout.readline()) == second.pid
            second.kill()


def test_a_command_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    line = [sys.executable, str(settings.PROJECT / "workflow" / "slots.py"), "0", "1", "--", "no-such-command"]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 1 and "no-such-command cannot be run" in done.stderr


@pytest.mark.parametrize("arguments", [[], ["0", "1"], ["0", "1", "--"], ["0", "1", "true", "false"]])
def test_wrong_arguments_are_told(arguments, capsys):
    assert slots.main(arguments) == 2 and "python workflow/slots.py GPUS SLOTS" in capsys.readouterr().err


def test_parts_of_a_card_are_no_cards(monkeypatch):
    listed = (
        "GPU 0: NVIDIA H100 (UUID: GPU-a)\n  MIG 1g.10gb Device 0: (UUID: MIG-b)\nGPU 1: NVIDIA H100 (UUID: GPU-c)\n"
    )
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(slots.subprocess, "run", lambda line, **_: subprocess.CompletedProcess(line, 0, listed))
    assert slots.visible() == ["0", "1"]


def test_visible_cards(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2, 5")
    assert slots.visible() == ["2", "5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert slots.visible() == []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert slots.visible() == []
