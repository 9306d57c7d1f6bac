"""What is meant by a model that is spelled as other tools spell it, in one line that gives the spelling used here.

Nothing is chosen silently: a run's settings should name one file, today and when it is resumed. The hub is asked for
the names of a repo's files only if the source names a repo. Example:
    meant_by("hf.co/owner/repo:Q4_K_M", offline=False) -> "write 'owner/repo:x-Q4_K_M.gguf'"
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from crescent_lite.errors import ModelError, NetworkError
from crescent_lite.models.hub import hub_errors
from crescent_lite.models.parts import part_names

MOST_NAMED = 6
"""Most files that an error names (guess)."""
HUB_PREFIX = re.compile(r"(?:hf://|hub:|(?:https?://)?(?:www\.)?(?:huggingface\.co|hf\.co)/)", re.IGNORECASE)
REPO = r"(?P<repo>[\w-][\w.-]*/[\w.-]+?)"
HUB_FILE = re.compile(
    REPO + r"(?:(?:/(?:resolve|blob|raw)/(?P<revision>[^/]+))?/|:)(?P<file>[\w./-]+\.gguf)(?:\?.*)?", re.IGNORECASE
)
HUB_REPO = re.compile(REPO + r"(?:/tree/(?P<revision>[^/]+))?/?(?::(?P<tag>[\w.-]+))?")
OLLAMA = re.compile(
    r"ollama(?:://|:|\.com/(?:library/)?)(?P<model>.+)|(?:https?://)ollama\.com/(?:library/)?(?P<page>.+)"
)
GENERAL = "give the path of a GGUF file, 'embedded', or owner/repo:file.gguf for a file on the Hugging Face hub"


def not_found(source: str, path: Path, *, offline: bool) -> ModelError:
    """The error for a source that is neither a file here nor a file on the hub. May raise NetworkError itself."""
    if path.is_dir():
        return ModelError(f"model.source: {source!r} is a folder; {_in_folder(path)}")
    return ModelError(f"model.source: there is no file {source!r}; {meant_by(source, offline=offline)}")


def meant_by(source: str, *, offline: bool) -> str:
    """What to write instead of `source`. With `offline` the hub is not asked which files a repo has."""
    if named := OLLAMA.fullmatch(source):
        model = named["model"] or named["page"]
        return (
            "models are not read from Ollama by name: `ollama show --modelfile "
            f"{model}` prints the path of its GGUF after FROM; give that path"
        )
    if source.lower().startswith("file://"):
        return f"write the path alone, {source[len('file://') :]!r}"
    prefix = HUB_PREFIX.match(source)
    rest = source[prefix.end() :] if prefix else source
    file, repo = HUB_FILE.fullmatch(rest), HUB_REPO.fullmatch(rest)
    if file and (prefix or file["revision"] or "/" in file["file"] or rest.count("/") > 1):
        if (file["revision"] or "main") != "main":
            return f"only the branch main is read: download the file of {file['revision']!r} and give its path"
        return f"for the file on the Hugging Face hub, write {_reference(file['repo'], file['file'])}"
    if repo and not rest.lower().endswith(".gguf") and (prefix or repo["tag"] or not _is_local(rest)):
        return _in_repo(repo["repo"], repo["tag"] or "", offline=offline)
    return GENERAL


def _is_local(source: str) -> bool:
    """Whether `a/b` is more likely a path with a mistake than a repo, because the folder `a` is here."""
    return source.startswith((".", "~", "/")) or Path(source).parent.is_dir()


def _in_folder(folder: Path) -> str:
    try:
        names = _first_parts(each.name for each in folder.iterdir() if each.name.lower().endswith(".gguf"))
    except OSError as error:
        return f"its files cannot be listed: {error.strerror}"
    if not names:
        return f"it has no GGUF file: {GENERAL}"
    return f"write the path of its GGUF: {_listed(str(folder / name) for name in names)}"


def _in_repo(repo: str, tag: str, *, offline: bool) -> str:
    wanted = f"its file for {tag!r}" if tag else "one of its files"
    general = f"write '{repo}:file.gguf' with {wanted} (its page: https://huggingface.co/{repo}/tree/main)"
    if offline:
        return general
    try:
        from huggingface_hub import HfApi
    except ImportError:
        return general
    try:
        with hub_errors(repo, missing=ModelError):
            files = _first_parts(name for name in HfApi().list_repo_files(repo) if name.lower().endswith(".gguf"))
    except NetworkError:
        return general
    except ModelError as error:
        return str(error)
    fitting = [name for name in files if tag.lower() in name.lower()]
    if not files:
        return f"the repo {repo} has no GGUF file; look for one whose name ends with -GGUF"
    if len(fitting) == 1:
        return f"write {_reference(repo, fitting[0])}"
    missing = "" if fitting else f"{repo} has no file for {tag!r}; "
    return f"{missing}write one of {_listed(_reference(repo, name) for name in fitting or files)}"


def _first_parts(names: Iterable[str]) -> list[str]:
    """The names, sorted; a split GGUF is named once, by its first part."""
    found = []
    for name in sorted(names):
        try:
            part_names(Path(name).name)
        except ModelError:  # a later part
            continue
        found.append(name)
    return found


def _listed(names: Iterable[str]) -> str:
    shown = list(names)
    more = f" and {len(shown) - MOST_NAMED} more" if len(shown) > MOST_NAMED else ""
    return ", ".join(shown[:MOST_NAMED]) + more


def _reference(repo: str, file: str) -> str:
    return f"'{repo}:{file}'"
