"""Does a test notice when a formula is changed? mutmut changes them one by one; this reads what came of it.

    python3 run.py mutate

Mutated are the predictions, and those functions of the schedule, the methods and the operators that are nothing but a
formula.
It fails if less than 90 % of the mutants are killed, or if one survives that is not among `SURVIVORS`.
"""

import os
import subprocess
import sys
from collections import Counter

LEAST = 0.9

#: Functions, as mutmut names them.
FORMULAS = [
    "teachdiff.predictions.*",
    *(
        f"teachdiff.schedules.x{name}__*"
        for name in (
            "_noise_level", "_posterior_mean", "_posterior_variance", "_linear", "_cosine",
            "ǁScheduleǁbackwards", "ǁScheduleǁnearest",
        )
    ),
    *(
        f"teachdiff.methods.{name}__*"
        for name in (
            "reverse.x_ancestral", "reverse.x_bayes_step", "ddim.x_ddim_sigma", "ddpm.x_ancestral_large",
            "sdedit.x_sdedit_start", "sdedit.x_put_back", "score_ald.x_ve_score", "score_ald.x_langevin_move",
            "dmps.x_noise_to_signal", "dmps.x_flat_score", "pigdm.x_x0_variance", "pigdm.x_x0_score",
            "ddrm.x_mean_unmeasured", "ddrm.x_mean_noisier", "ddrm.x_mean_better", "ddrm.x_topped_up",
            "admm_tv.x_difference_gain", "admm_tv.x_shrink",
        )
    ),
    *(
        f"teachdiff.operators.{name}__*"
        for name in (
            "blurs.x_gaussian_kernel", "blurs.x_blur_matrix", "blurs.x_half_plane", "blurs.x_mirrored",
            "product.x_average_matrix", "product.x_bicubic_matrix", "product.x_keys_cubic", "masks.x_smooth_mask",
        )
    ),
]  # fmt: skip

#: Part of the mutated line -> why no test need notice it.
SURVIVORS = {
    "torch.arange(n // factor, dtype=None)": "whole and half numbers are exact in float32 too",
    "torch.arange(n // factor, )": "whole and half numbers are exact in float32 too",
    "torch.arange(n / factor,": "the factor divides n",
    "torch.arange(n, dtype=None)": "whole numbers are exact in any dtype",
    "torch.arange(n, )": "whole numbers are exact in any dtype",
    "torch.where(u < 1, inner": "both branches are 0 at u = 1",
    "torch.where(u <= 2, outer": "the outer branch is 0 at u = 2",
}


def mutmut(*arguments: str) -> str:
    environment = {**os.environ, "TEACHDIFF_HYPOTHESIS": "mutation", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", *arguments], env=environment, text=True, encoding="utf-8",
        stdout=None if arguments[0] == "run" else subprocess.PIPE, check=arguments[0] != "run",
    )  # fmt: skip
    return done.stdout or ""


def changed_line(name: str) -> str:
    """What the mutant made of the line that it changed."""
    added = [line[1:].strip() for line in mutmut("show", name).splitlines() if line[:1] == "+" and line[:3] != "+++"]
    return " / ".join(added)


def main() -> int:
    mutmut("run", "--max-children", "1", *FORMULAS)
    found = [line.strip().rsplit(": ", 1) for line in mutmut("results", "--all", "true").splitlines() if ": " in line]
    states = {name: state for name, state in found if state != "not checked"}
    counts = Counter(states.values())
    killed = counts["killed"] + counts["timeout"]
    undeclared = []
    for name, state in states.items():
        if state in ("killed", "timeout"):
            continue
        line = changed_line(name)
        reason = next((why for part, why in SURVIVORS.items() if part in line), None)
        print(f"{name} ({state}): {line}\n    {reason or 'NOT DECLARED'}")
        if reason is None:
            undeclared.append(name)
    share = killed / max(1, len(states))
    print(f"{killed} of {len(states)} mutants killed ({share:.1%}): {dict(counts)}")
    return 0 if states and share >= LEAST and not undeclared else 1


if __name__ == "__main__":
    sys.exit(main())
