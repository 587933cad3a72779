"""A comparison on disk: one folder, whose rows survive whatever ends the run, and several processes if there are.

    out/rows.jsonl            a line per row, with the key of what it was computed from: what a later run finds again
    out/results.json, .csv    the rows, in the order of tasks, images and methods
    out/summary.json, .csv    per task and method: means, standard errors, FID
    out/pictures/, sheet.png  each restored image beside its truth and its measurement

Everything is written atomically. `compare`, `tune` and `reproduce` all run through here.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from teachdiff.compare import (
    RESTORING,
    Case,
    Row,
    RowFile,
    Strip,
    Summary,
    compare,
    contact_sheet,
    image_digest,
    method_options,
    summaries,
)
from teachdiff.data import astronaut_face, digits, load_image, photographs, portraits, save_image, to_array
from teachdiff.files import write_csv, write_json
from teachdiff.metrics import MetricUnavailable, fid
from teachdiff.settings import HELD_OUT, STEPS
from teachdiff.shards import ALONE, Shard

SHEET_IMAGES = 6  # of each task, on the contact sheet
# Colour photographs of everyday scenes; scikit-image's others are of a retina and of galaxies.
EVERYDAY = ("cat", "coffee", "rocket")


def default_size(prior: str) -> int:
    """Pixels a side: what the prior was made for, or what takes seconds."""
    return {"portraits": 32, "digits": 8}.get(prior, 64)


def held_out(prior: str, size: int, count: int | None = None, seed: int = HELD_OUT) -> dict[str, Tensor]:
    """Images that suit a prior and that it has not seen: name -> (1, C, size, size).

    Portraits from a seed that no training run draws, or held-out digits, as many as wanted (four without `count`); for
    any other prior the astronaut's face and three photographs, which come along.

    Raises:
        ValueError: more images than there are, or a size that they do not have.
    """
    if prior == "digits":
        batch, _ = digits("held_out")
        if size != default_size(prior):
            raise ValueError(f"the digits have 8 x 8 pixels; got {size}.")
        if count is not None and not 1 <= count <= len(batch):
            raise ValueError(f"there are {len(batch)} held-out digits; got {count}.")
        return {f"digit-{i}": batch[i : i + 1] for i in range(4 if count is None else count)}
    if prior == "portraits":
        batch = portraits(4 if count is None else count, size, seed=seed)
        return {f"portrait {i + 1}": batch[i : i + 1] for i in range(len(batch))}
    if count is not None and not 1 <= count <= 1 + len(EVERYDAY):
        raise ValueError(f"{1 + len(EVERYDAY)} photographs come along; for {count} give a folder or zip of your own.")
    return dict(list(({"astronaut": astronaut_face(size)} | photographs(EVERYDAY, size)).items())[:count])


@dataclass(frozen=True)
class Experiment:
    """Methods x tasks x images, and the folder that holds what came of them.

    Attributes:
        prior, prior_name, weights: the prior, what to call it, and the digest of its file.
        images: name -> (1, C, H, W) in [-1, 1].
        sigma: in [-1, 1] units.
        options: of the methods, in place of the tuned ones; each method takes those that it knows.
        task_options: task -> options of its operator.
        restorers: task -> restorer, and the digest of its file, for the methods that take one.
        shard: this process's share.
    """

    prior: Any
    prior_name: str
    weights: str
    images: Mapping[str, Tensor]
    tasks: Sequence[str]
    methods: Sequence[str]
    sigma: float
    out: Path
    steps: int = STEPS
    seed: int = 0
    samples: int = 1
    options: Mapping[str, Any] = field(default_factory=dict)
    task_options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    restorers: Mapping[str, tuple[Any, str]] = field(default_factory=dict)
    shard: Shard = ALONE

    def options_of(self, method: str, task: str, image: str) -> dict[str, Any]:
        """What the method is called with."""
        return method_options(
            method, task, self.prior.schedule.T, self.steps, self.images[image].shape, dict(self.options)
        )

    def cost(self, method: str) -> int:
        """About how often the method asks the network for one image."""
        return self.options_of(method, "default", next(iter(self.images))).get("steps", 1)

    def total_cost(self) -> int:
        """About how often the network is asked for this process's share."""
        share = sum(self.shard.has(i) for i in range(len(self.images)))
        return share * len(self.tasks) * sum(self.cost(method) for method in self.methods)

    def key(self, task: str, image: str, method: str) -> dict[str, Any]:
        """Everything that a row depends on."""
        x = self.images[image]
        key = {
            "weights": self.weights,
            "sigma": self.sigma,
            "seed": self.seed,
            "device": x.device.type,
            "task": task,
            "method": method,
            "prior": self.prior_name,
            "image": image,
            "pixels": image_digest(x),
            "place": list(self.images).index(image),  # an image's noise depends on its place
            "options": self.options_of(method, task, image),
            "samples": self.samples,
        }
        operator = dict(self.task_options.get(task, {}))
        restorer = {"restorer": self.restorers[task][1]} if method in RESTORING and task in self.restorers else {}
        return key | ({"operator": operator} if operator else {}) | restorer

    def picture(self, task: str, image: str, what: str) -> Path:
        """Where a picture is: what is "truth", "measurement" or a method."""
        name = re.sub(r"[^\w.-]+", "_", image)
        return self.out / "pictures" / task / f"{name}-{image_digest(self.images[image])[:6]}.{what}.png"

    def run(
        self,
        on_row: Callable[[Row], None] = lambda row: None,
        on_step: Callable[[Case, str], None] | None = None,
    ) -> list[Row]:
        """Compute what is missing of this process's share, wait for the other processes, and give every row.

        The rows come in the order of tasks, images and methods, the same in each process.

        Arguments:
            on_row: called with each row of this share, found or computed.
            on_step: called in every step of every chain.

        Raises:
            ValueError: as `teachdiff.compare.compare`; or out/rows.jsonl holds something else.
            RuntimeError: another process left its share undone.
            KeyboardInterrupt: with how many rows are kept, and where.
        """
        known = self._gathered()
        own = known if self.shard.rank == 0 else RowFile(self.out / f"rows-{self.shard.rank}.jsonl")

        def finished(case: Case, method: str) -> Row | None:
            row = known.find(self.key(case.task, case.image, method))
            return row if row and (row.psnr is None or self.picture(case.task, case.image, method).is_file()) else None

        count = 0
        try:
            for row, case, x0 in compare(
                self.prior, self.images, self.tasks, self.methods, sigma=self.sigma, prior_name=self.prior_name,
                steps=self.steps, seed=self.seed, samples=self.samples, options=self.options,
                task_options=self.task_options, shard=self.shard, finished=finished, on_step=on_step,
                restorers={task: restorer for task, (restorer, _) in self.restorers.items()},
            ):  # fmt: skip
                if finished(case, row.method) is None:
                    pictures = {"truth": case.truth, "measurement": case.measurement}
                    for what, x in (pictures | ({} if x0 is None else {row.method: x0})).items():
                        save_image(self.picture(case.task, case.image, what), x.clamp(-1, 1))
                    own.add(self.key(case.task, case.image, row.method), row)
                count += 1
                on_row(row)
        except KeyboardInterrupt as error:
            share = sum(self.shard.has(i) for i in range(len(self.images)))
            whole = share * len(self.tasks) * len(self.methods)
            raise KeyboardInterrupt(
                f"{count} of {whole} rows are kept in {own.path}; the same command goes on from there."
            ) from error
        everything = self._gathered()
        found = [everything.find(self.key(t, i, m)) for t in self.tasks for i in self.images for m in self.methods]
        rows = [row for row in found if row is not None]
        if len(rows) < len(found):
            raise RuntimeError(
                f"{len(found) - len(rows)} of {len(found)} rows are missing in {everything.path}: a process ended "
                "early. The same command goes on from there."
            )
        return rows

    def _gathered(self) -> RowFile:
        """rows.jsonl, when the first process has taken into it what the others left in files of their own."""
        self.shard.wait()
        if self.shard.rank == 0:
            whole = RowFile(self.out / "rows.jsonl")
            for part in sorted(self.out.glob("rows-*.jsonl")):
                whole.take(RowFile(part))
        self.shard.wait()
        return RowFile(self.out / "rows.jsonl")

    def summaries(self, rows: Sequence[Row], extractor: torch.nn.Module | None = None) -> list[Summary]:
        """Means and standard errors of the rows, and FID from the pictures.

        Arguments:
            extractor: in place of Inception, as for `teachdiff.metrics.fid`.
        """
        return [self._with_fid(summary, extractor) for summary in summaries(rows)]

    def _with_fid(self, summary: Summary, extractor: torch.nn.Module | None) -> Summary:
        restored, true = (
            [self.picture(summary.task, image, what) for image in self.images] for what in (summary.method, "truth")
        )
        try:
            if missing := sum(not file.is_file() for file in restored):
                raise MetricUnavailable(f"{missing} of {len(restored)} images could not be restored")
            device = next(iter(self.images.values())).device
            value = fid(map(load_image, restored), map(load_image, true), extractor=extractor, device=device)
        except MetricUnavailable as reason:
            return replace(summary, notes=[*summary.notes, f"fid: {reason}"])
        note = f"fid: over {len(restored)} images; the fewer there are, the more it is biased upwards"
        return replace(summary, fid=value, notes=[*summary.notes, note])

    def write(self, rows: Sequence[Row]) -> list[Summary]:
        """Write the tables and the contact sheet; the summaries are returned, too."""
        found = self.summaries(rows)
        write_json(self.out / "results.json", [asdict(row) for row in rows])
        write_csv(self.out / "results.csv", [asdict(row) for row in rows])
        write_json(self.out / "summary.json", [asdict(summary) for summary in found])
        write_csv(self.out / "summary.csv", [summary.flat() for summary in found])
        psnr = {(row.task, row.image, row.method): row.psnr for row in rows}

        def cell(task: str, image: str, what: str):
            file = self.picture(task, image, what)
            if not file.is_file():
                return None
            value = psnr.get((task, image, what))
            caption = image if what == "truth" else "" if value is None else f"{value:.2f} dB"
            return to_array(load_image(file)), caption

        columns = ["truth", "measurement", *self.methods]
        strips = [
            Strip(task, [cell(task, image, what) for what in columns])
            for task in self.tasks
            for image in list(self.images)[:SHEET_IMAGES]
        ]
        contact_sheet(self.out / "sheet.png", columns, strips)
        return found
