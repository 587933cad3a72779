"""Priors by their id on the Hugging Face hub, `owner/name` or `owner/name@revision`.

The download is huggingface_hub's: it shows its progress, goes on where it was interrupted, and keeps what it fetched,
so that the second time needs no network. Only the files that a prior needs are fetched.
"""

import re
from pathlib import Path

from teachdiff.priors import diffusers_format
from teachdiff.priors.diffusers_format import require
from teachdiff.priors.tensors import PICKLES

FILES = (".safetensors", *PICKLES)


def is_id(name: object) -> bool:
    """Whether a text can be an id: two words with a slash between them, and not the name of a file."""
    pattern = r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w.-]+)?"
    return isinstance(name, str) and re.fullmatch(pattern, name) is not None and not name.endswith(FILES)


class NothingWanted(ValueError):
    """The hub has the repository, and no prior is in it. (Some errors of the client are a ValueError too.)"""


def wanted(name: str, files: list[str]) -> list[str]:
    """What to fetch of a repository's files: a network of diffusers, else the one file that holds weights.

    Raises:
        NothingWanted: there is neither, or several files with weights.
    """
    found = diffusers_format.choose(files)
    if found["config"] and found["weights"]:
        return [file for file in found.values() if file]
    weights = [file for file in files if file.endswith(FILES)]
    if len(weights) == 1:
        return weights
    several = f"several files with weights ({', '.join(sorted(weights))})" if weights else "no file with weights"
    raise NothingWanted(
        f"{name} on the hub holds no network in the format of diffusers, and {several}. Download the file that you "
        "want and give its path."
    )


def fetch(name: str) -> Path:
    """The folder of a network in the format of diffusers, or the file with weights, on this machine.

    Raises:
        RuntimeError: the package huggingface_hub is not installed.
        ValueError: the hub has no such network, or wants to be asked for access first.
        ConnectionError: the hub could not be reached, and the network was never fetched before.
    """
    require("huggingface_hub", f"there is no file or folder {name} here; fetching it from the hub")
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError, RevisionNotFoundError

    repository, _, revision = name.partition("@")
    try:
        about = HfApi().model_info(repository, revision=revision or None)
        files = wanted(name, [file.rfilename for file in about.siblings or []])
        folder = Path(snapshot_download(repository, revision=revision or None, allow_patterns=files))
    except GatedRepoError as error:
        raise ValueError(
            f"{repository} on the hub is given only to those who asked for it there: ask, then `hf auth login`."
        ) from error
    except (RepositoryNotFoundError, RevisionNotFoundError, HFValidationError) as error:
        raise ValueError(
            f"there is no file or folder {name} here, and no model of that id on the hub (or it is private, and "
            "`hf auth login` is needed)."
        ) from error
    except NothingWanted:
        raise
    except Exception as error:  # the errors of its transport have no class in common
        kept = cached(repository, revision or "main")
        if kept is None:
            raise ConnectionError(
                f"there is no file or folder {name} here, and the hub could not be reached ({type(error).__name__}: "
                f"{str(error).splitlines()[0] if str(error) else 'no reason given'}). Check the network; a download "
                "that was interrupted goes on where it stopped."
            ) from error
        folder, files = kept
    return folder / files[0] if len(files) == 1 else folder


def cached(repository: str, revision: str) -> tuple[Path, list[str]] | None:
    """The folder and the files in which an earlier fetch left everything that is wanted, or None."""
    from huggingface_hub import constants, scan_cache_dir
    from huggingface_hub.errors import CacheNotFound

    try:
        repositories = scan_cache_dir(constants.HF_HUB_CACHE).repos
    except CacheNotFound:
        return None
    for repo in repositories:
        if (repo.repo_type, repo.repo_id) != ("model", repository):
            continue
        for found in repo.revisions:
            if revision in (*found.refs, found.commit_hash):
                folder = Path(found.snapshot_path)
                names = [file.file_path.relative_to(folder).as_posix() for file in found.files]
                try:
                    return folder, wanted(repository, names)
                except NothingWanted:  # interrupted before all was there
                    return None
    return None
