"""Writes the values of a card's front matter that model hubs check: the base's repo and the licence.

What a GGUF says about itself is free text, and a hub refuses a card with an unknown value. Example:
    licence_fields("My own terms", "") -> {"license": "other", "license_name": "my-own-terms"}
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

LICENCES = frozenset(
    """
    apache-2.0 mit openrail bigscience-openrail-m creativeml-openrail-m bigscience-bloom-rail-1.0 bigcode-openrail-m
    afl-3.0 artistic-2.0 bsl-1.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0 cc-by-2.5
    cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nd-4.0 cc-by-nc-nd-3.0
    cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0 cdla-sharing-1.0 cdla-permissive-1.0
    cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0
    lgpl lgpl-2.1 lgpl-3.0 isc h-research intel-research lppl-1.3c ms-pl apple-ascl apple-amlr mpl-2.0 odc-by odbl
    openmdw-1.0 openrail++ osl-3.0 postgresql ofl-1.1 ncsa unlicense zlib pddl lgpl-lr deepfloyd-if-license
    fair-noncommercial-research-license llama2 llama3 llama3.1 llama3.2 llama3.3 llama4 grok2-community gemma
    """.split()  # noqa: SIM905
)
"""The licences that the Hugging Face hub knows by name. Source: huggingface.co/docs/hub/repositories-licenses."""
MOST_NAME = 60
"""Most characters of a licence's name (guess)."""
MOST_REPO = 96
"""Most characters of a repo's name on the hub."""
NO_OWNERS = frozenset({"blog", "collections", "datasets", "docs", "models", "papers", "spaces"})
"""First parts of addresses on the hub's site that are no page of a model."""
_PAGE = re.compile(
    r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/([^/?#]+/[^/?#]+?)(?:/|/(?:tree|blob|resolve)/[^?#]*)?(?:[?#].*)?"
)
_REPO = re.compile(r"(?:[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?)/(?:[A-Za-z0-9_](?:[\w.-]*[A-Za-z0-9_])?)", re.ASCII)


def front_matter(values: Mapping[str, Any]) -> str:
    """The front matter with the values that are neither empty nor None, each as JSON, which is YAML too."""
    return "---\n" + "".join(f"{key}: {json.dumps(value)}\n" for key, value in values.items() if value) + "---"


def repo_of(address: str) -> str | None:
    """`owner/name` of a model's page on the hub; None for any other address.

    Example: repo_of("https://huggingface.co/owner/name/tree/main") -> 'owner/name'
    """
    page = _PAGE.fullmatch(address.strip())
    if page is None or not is_repo(page[1]) or page[1].partition("/")[0] in NO_OWNERS:
        return None
    return page[1]


def is_repo(name: str) -> bool:
    """Whether the hub accepts the text as the name of a repo."""
    is_odd = "--" in name or ".." in name or name.endswith(".git")
    return len(name) <= MOST_REPO and not is_odd and _REPO.fullmatch(name) is not None


def licence_fields(name: str, link: str) -> dict[str, str]:
    """The front matter's licence, from what a GGUF says; empty if it says nothing.

    A licence that the hub does not know is `other`, with its name, and the link if it is a web address.
    """
    if not name.strip():
        return {}
    slug = re.sub(r"[^a-z0-9.+]+", "-", name.lower()).strip("-.")
    known = (slug, re.sub(r"^the-|-licen[cs]e(?=-|$)|-version(?=-)", "", slug), slug.replace("-v", "-"))
    for each in known:
        if each in LICENCES:
            return {"license": each}
    fields = {"license": "other", "license_name": slug[:MOST_NAME].strip("-.") or "unnamed"}
    return fields | ({"license_link": link} if re.fullmatch(r"https?://[!-~]+", link) else {})
