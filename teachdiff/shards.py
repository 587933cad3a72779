"""One computation, several processes: process r of n takes the images i with i mod n = r.

    torchrun --nproc-per-node 3 -m teachdiff compare ...

starts three. An image is computed alone, from a seed of its own, by whichever process has it, so the number of
processes changes no bit of it. Results go through files; the processes only wait for each other (gloo, so that
no GPU is needed).

Training is shared in another way: of each batch process r takes the r-th of n equal parts, and gradients are averaged.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor


@dataclass(frozen=True)
class Shard:
    """The share of process `rank` of `world`; of one process, everything."""

    rank: int = 0
    world: int = 1

    def has(self, i: int) -> bool:
        """Image i is computed here."""
        return i % self.world == self.rank

    def wait(self) -> None:
        """Until every process has come here."""
        if self.world > 1:
            torch.distributed.barrier()

    def part(self, count: int) -> slice:
        """Of a batch, the part that is computed here.

        Raises:
            ValueError: it has no equal parts for each process.
        """
        if count % self.world:
            raise ValueError(f"a batch of {count} has no equal parts for {self.world} processes; take a multiple.")
        size = count // self.world
        return slice(self.rank * size, (self.rank + 1) * size)

    def mean(self, x: Tensor) -> Tensor:
        """The mean of x over the processes, the same in each."""
        if self.world > 1:
            torch.distributed.all_reduce(x)
            x = x / self.world
        return x


ALONE = Shard()


@contextmanager
def this_shard(exchange: torch.device | None = None) -> Iterator[Shard]:
    """What RANK and WORLD_SIZE, which torchrun sets, say that this process shall do; without them, everything.

    Arguments:
        exchange: where the tensors lie that the processes will exchange, if they do more than wait for each other: on
            GPUs they go through nccl.

    torchrun gives each of several processes one thread, unless OMP_NUM_THREADS says otherwise. The same is done
    here for a single one: sums over threads round otherwise.

    Raises:
        ValueError: one of the two is set without the other, or they are no rank and number of processes.
    """
    given = [os.environ.get(name) for name in ("RANK", "WORLD_SIZE")]
    if given == [None, None]:
        yield ALONE
        return
    try:
        rank, world = (int(value) for value in given)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        rank, world = -1, 0
    if not 0 <= rank < world:
        raise ValueError(
            f"RANK = {given[0]} and WORLD_SIZE = {given[1]} name no process of several: torchrun sets both, with "
            "0 <= RANK < WORLD_SIZE. Unset them for a process alone."
        )
    if "OMP_NUM_THREADS" not in os.environ:
        torch.set_num_threads(1)
    if world == 1:
        yield ALONE
        return
    # the slowest process may have an image more than the others, and an image may take hours
    on_gpus = exchange is not None and exchange.type == "cuda"
    torch.distributed.init_process_group(
        "nccl" if on_gpus else "gloo", rank=rank, world_size=world, timeout=timedelta(days=30),
        device_id=exchange if on_gpus else None,
    )  # fmt: skip
    try:
        yield Shard(rank, world)
    finally:
        torch.distributed.destroy_process_group()
