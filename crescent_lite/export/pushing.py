"""Sends an exported folder to a repo on the Hugging Face hub, through the hub's own client.

Whether it can be sent is checked before the export, which may take minutes. Example:
    require_pushable("owner/name")
    push(Path("data/exports/run-1-round-2-adapter"), "owner/name", "model", public=False)
    # "https://huggingface.co/owner/name"
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from crescent_lite.errors import MissingPackageError, NetworkError, UsageError
from crescent_lite.export.front_matter import is_repo
from crescent_lite.models.hub import hub_errors


def require_pushable(repo: str) -> None:
    """Raise UsageError for a name that the hub refuses or without a token, or MissingPackageError."""
    if not is_repo(repo):
        raise UsageError(f"--push {repo}: is no name of a repo; write it as owner/name")
    try:
        from huggingface_hub import constants, get_token
    except ImportError:
        raise MissingPackageError("--push needs huggingface_hub; run `pip install 'crescent-lite[hub]'`") from None
    if constants.HF_HUB_OFFLINE:
        raise NetworkError("--push: HF_HUB_OFFLINE is set; unset it to reach the hub")
    if get_token() is None:
        raise UsageError("--push needs a token of the Hugging Face hub; run `hf auth login`, or set HF_TOKEN")


def push(folder: Path, repo: str, kind: Literal["model", "dataset"], *, public: bool) -> str:
    """Create the repo unless it exists, send all files of a folder in one commit, and return the repo's address.

    A new repo is private unless `public`; an existing one stays as it is. Raises NetworkError or UsageError.
    """
    from huggingface_hub import HfApi

    hub = HfApi()
    with hub_errors(f"--push {repo}", missing=UsageError, access="write to"):
        address = hub.create_repo(repo, repo_type=kind, private=not public, exist_ok=True)
        hub.upload_folder(
            repo_id=repo, repo_type=kind, folder_path=folder, commit_message=f"{folder.name}, by crescent-lite"
        )
    return str(address)
