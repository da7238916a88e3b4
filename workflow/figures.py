"""What `make figures` and `make vae` run: check the sweep, let Snakemake do what is missing, name figures and time.

Usage: python workflow/figures.py [vae] [--cores N] [name=value ...]
"""

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

import images
import slots

from innae_utils import parameters, results, settings, sweeps

NOISE = re.compile(  # what Snakemake says between one step and the next, and after the last words of a job that failed
    r"\s*$|Select jobs|Execute \d+ jobs|Finished jobid|\[\w{3} \w{3} +\d+ [\d:]+ \d{4}\]|Complete log|Elapsed time|"
    r"Using profile|Using shell|Provided cores|Rules claiming|Nothing to be done|Assuming unrestricted|"
    r"RuleException:$|CalledProcessError in file|Command 'set -euo pipefail;|Exiting because a job execution failed|"
    r"WorkflowError:$|At least one job did not complete successfully"
)


def watch(command: list[str]) -> int:
    """Run a command in the project's folder, passing on what it prints but for the noise; its exit code."""
    with subprocess.Popen(
        command, cwd=settings.PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    ) as process:
        try:
            for line in process.stdout:
                if not NOISE.match(line):
                    print(line, end="", flush=True)
        except KeyboardInterrupt:  # Snakemake got it too, and ends its jobs
            print("Stopping ...", file=sys.stderr)
    return process.returncode


DRAWN = {"figures": "figure[56]*.p*", "vae": "inn_vae_*"}  # goal -> the files that it ends with


def for_vae(given: dict[str, str]) -> dict[str, str]:
    """The parameters of a sweep with 31_inn_vae's models and bottleneck. Raises ParameterError if others are given."""
    fixed = ", ".join(f"{model} ({recipe})" for model, recipe in sweeps.VAE_RECIPES.items())
    wrong = [
        f"{name}: `make vae` always takes {fixed}; leave it out" for name in ("models", "recipes") if name in given
    ]
    settings.stop_if(wrong, "The sweep")
    fixed = {"models": ",".join(sweeps.VAE_RECIPES), "recipes": ",".join(sorted({*sweeps.VAE_RECIPES.values()}))}
    given = {"bottlenecks": str(sweeps.VAE_BOTTLENECK), **given, **fixed}
    sweep = sweeps.check_sweep(given)
    dim = settings.dim_of(settings.spec_of(sweep.dataset, "inn_vae"))
    if len(sweep.bottlenecks) > 1 or sweep.bottlenecks[0] == dim:
        said = f"bottlenecks: {given['bottlenecks']!r} is not allowed; `make vae` takes one, less than D = {dim}"
        settings.stop_if([said], "The sweep")
    return given


def snakemake(given: dict[str, str], cores: str, goal: str = "figures") -> list[str]:
    """The Snakemake command of a sweep: its parameters as they were given, its folders made absolute."""
    sweep = sweeps.check_sweep(given)
    given = given | {name: str(getattr(sweep, name)) for name in ("data_root", "runs", "figures")}
    profile = settings.PROJECT / "workflow" / "profiles" / "local"
    command = [sys.executable, "-m", "snakemake", "--profile", str(profile), "--cores", cores]
    if gpus := slots.cards(sweep.device):
        command += ["--resources", f"gpu={len(gpus) * sweep.slots}"]
    return [*command, goal, "--config", *(f"{name}={value}" for name, value in given.items())]


def broken_rows(sweep: sweeps.Sweep) -> dict[Path, results.ResultError]:
    """Every `result.json` of the sweep that is no row, and why: to Snakemake a file that is there is a run done."""
    found = {}
    for path in map(sweep.result, sweep.jobs):
        try:
            if path.exists():
                results.read_row(path)
        except results.ResultError as error:
            found[path] = error
    return found


def set_aside_broken_rows(sweep: sweeps.Sweep) -> None:
    """Rename every `result.json` of the sweep that is no row, so that its run is made again."""
    for path, error in broken_rows(sweep).items():
        path.replace(path.with_suffix(".broken"))
        print(f"{error}; set aside as {path.with_suffix('.broken').name}, the run is made again", file=sys.stderr)


def warn_of_emulation(sweep: sweeps.Sweep) -> None:
    """Say on the terminal what every run would say in its notebook: that bf16 will crawl on this CPU."""
    if sweep.precision == "bf16" and sweep.device in ("auto", "cpu") and not slots.cards(sweep.device):
        from innae_utils import train  # brings torch along: seconds that no other sweep should wait for

        if not train.cpu_has_bfloat16():
            print(f"Warning: {train.EMULATED}", file=sys.stderr, flush=True)


def checked_cores(text: str) -> str:
    """A number of cores, or `all`, as Snakemake takes it. Raises ArgumentTypeError for anything else."""
    if text == "all" or (text.isdecimal() and int(text) > 0):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is not known; allowed: all, or a whole number from 1")


def read_line(arguments: list[str], about: str | None) -> tuple[str, list[str]]:
    """The cores (`--cores`, wherever it stands) and the rest of a command line; ends the program if it is no such line.

    Example:
        >>> read_line(["dataset=mnist", "--cores", "2", "seeds=0"], None)
        ('2', ['dataset=mnist', 'seeds=0'])
    """
    parser = argparse.ArgumentParser(
        usage=argparse.SUPPRESS if about else None, description=about, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument(
        "--cores", type=checked_cores, action="append", metavar="N", help="all, or a whole number from 1"
    )
    parser.add_argument("rest", nargs="*", metavar="name=value", help="a parameter of the sweep")
    line = parser.parse_intermixed_args(arguments)
    if len(cores := line.cores or ["all"]) > 1:
        parser.error(f"--cores is there more than once ({', '.join(cores)}); give one")
    return cores[0], line.rest


def drawn_alone(given: dict[str, str]) -> int:
    """Draw from the rows that are published, if that is what `rows` says."""
    import redraw

    if faults := parameters.check_source(given.pop("rows"), given.get("preset")):
        print(*faults, sep="\n", file=sys.stderr)
        return 2
    return redraw.main([f"{name}={value}" for name, value in given.items()])


def main(arguments: list[str]) -> int:
    """Run the workflow; 0 if all figures are there, 2 if a parameter is wrong, else Snakemake's exit code.

    A line that cannot be read (an unknown option, no number of cores) ends the program, with 2.
    """
    goal = "figures"
    cores, arguments = read_line(arguments, __doc__)
    if "vae" in arguments:
        goal, arguments = "vae", [argument for argument in arguments if argument != "vae"]
    started = time.monotonic()
    try:
        given = sweeps.read_pairs(arguments)
        if given.get("rows", "local") != "local":
            if goal == "figures":
                return drawn_alone(given)
            settings.stop_if(
                ["rows: `make vae` looks at networks, and those are not published; leave it out"], "The sweep"
            )
        given.pop("rows", None)
        given = for_vae(given) if goal == "vae" else given
        sweep = sweeps.check_sweep(given)
        faults = [
            fault for name in ("runs", "figures") for fault in parameters.check_writable(name, getattr(sweep, name))
        ]
        settings.stop_if(faults, "The sweep")
    except settings.ParameterError as error:
        print(error, file=sys.stderr)
        return 2
    jobs = sweeps.vae_jobs(sweep) if goal == "vae" else sweep.jobs
    print(
        f"{len(jobs)} run{'s' if len(jobs) > 1 else ''} on {sweep.dataset}; rows go to {sweep.run_folder}", flush=True
    )
    warn_of_emulation(sweep)
    set_aside_broken_rows(sweep)
    if sweep.dataset != "images":  # there Snakemake sees by itself what has changed
        images.forget_others(sweep.image_list, sweep.images)
    code = watch(snakemake(given, cores, goal))
    if code:
        print("The sweep did not finish; why is said above. What is done is kept for the next call.", file=sys.stderr)
        return code
    for figure in sorted(sweep.figure_folder.glob(DRAWN[goal])):
        print(figure)
    print(f"{time.monotonic() - started:.0f} seconds")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
