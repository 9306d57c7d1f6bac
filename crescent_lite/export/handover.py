"""A run's model for other programs: an adapter, one GGUF without an adapter, or a folder that transformers loads.

Each is a folder with a card, complete or not at all. The base has to be the file that the run was made with.
Example: handed = hand_over_gguf(store, chosen, Path("out"), tensor_type="q4_k_m")
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from crescent_lite.errors import ConfigError, ModelError, NotFoundError, StorageError
from crescent_lite.export.card import BaseFacts, card_text
from crescent_lite.models import sha256_of
from crescent_lite.printable import printable_line
from crescent_lite.records import ModelFile, peft_dir_of
from crescent_lite.rounds import kept_round
from crescent_lite.sampling.chat import PLACEHOLDER, ChatTemplate
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.quantising import MIXTURES, encode_rows, quantise
from crescent_lite.store import Store
from crescent_lite.training import save_transformers_folder
from crescent_lite.training.merging import SIMPLE_TYPES, WeightedAdapter, change_kept, merge, merged_name

TENSOR_TYPES = ("same", *SIMPLE_TYPES, *MIXTURES)
"""What a merged GGUF can be made of. 'same': each tensor has the type it has in the base."""
MOST = 0.9
"""Share of the change that is left, under which the user is told so (guess)."""


@dataclass(frozen=True)
class Chosen:
    """The base and the rounds that are handed over."""

    run_id: int
    base: ModelFile
    rounds: dict[int, float]
    """Round -> how much of its adapter is taken; 1 is all of it."""
    adapters: dict[int, ModelFile]


def choose(store: Store, run_id: int, rounds: dict[int, float]) -> Chosen:
    """What is asked for, all of it there and unchanged. No rounds: the one that was chosen, else the best.

    Raises NotFoundError or ModelError.
    """
    run = store.runs.fetch_run(run_id)
    trained = {this.number: this.adapter_id for this in store.runs.fetch_rounds(run_id) if this.adapter_id}
    if not trained:
        raise NotFoundError(f"run {run_id}: has no adapter yet; a round makes one when it has enough labels")
    kept = kept_round(store.evaluations.fetch_round_scores(run_id), trained, run.chosen_round)
    rounds = rounds or {kept or max(trained): 1.0}
    if missing := sorted(set(rounds) - set(trained)):
        raise NotFoundError(
            f"run {run_id}: round {missing[0]} has no adapter; there is one of {', '.join(map(str, trained))}"
        )
    base = _unchanged(store.runs.fetch_model(run.base_id))
    adapters = {number: _unchanged(store.runs.fetch_model(trained[number] or 0)) for number in rounds}
    return Chosen(run_id, base, rounds, adapters)


def hand_over_adapter(store: Store, chosen: Chosen, out: Path) -> float:
    """The adapter as GGUF and as PEFT has it, with a card. Raises ConfigError or StorageError.

    Returns, as the others do, how much of what the training changed is in the weights: here all of it, 1.
    """
    if list(chosen.rounds.values()) != [1.0]:
        raise ConfigError("an adapter is handed over whole and alone; `crescent export gguf` merges several")
    ((number, adapter),) = chosen.adapters.items()
    peft_dir = peft_dir_of(adapter.path)
    usage = f"""\
    llama-server -m {chosen.base.path.name} --lora {adapter.path.name}

With transformers and PEFT, from the base's GGUF:

    from peft import PeftModel
    from transformers import AutoModelForCausalLM
    base = AutoModelForCausalLM.from_pretrained("FOLDER", gguf_file="{chosen.base.path.name}")
    model = PeftModel.from_pretrained(base, "this folder")"""
    with _finished_folder(out) as folder:
        shutil.copy(adapter.path, folder / f"round-{number}.gguf")
        if peft_dir.is_dir():
            shutil.copytree(peft_dir, folder, dirs_exist_ok=True)
        usage = usage.replace(adapter.path.name, f"round-{number}.gguf")
        _write_card(store, chosen, folder, "peft", usage, kept=1.0)
    return 1.0


def hand_over_gguf(store: Store, chosen: Chosen, out: Path, tensor_type: str) -> float:
    """One merged GGUF with a Modelfile for Ollama and a card. Raises ModelError or StorageError."""
    with _finished_folder(out) as folder:
        path, kept = _merge(chosen, folder, tensor_type)
        (folder / "Modelfile").write_text(modelfile(path), encoding="utf-8")
        usage = f"    llama-server -m {path.name}\n    ollama create my-model -f Modelfile"
        _write_card(store, chosen, folder, "llama.cpp", usage, kept=kept)
    return kept


def hand_over_folder(store: Store, chosen: Chosen, out: Path) -> float:
    """Merged safetensors, settings and tokenizer, as transformers loads them, with a card. Raises as the others."""
    with _finished_folder(out) as folder:
        merged, kept = _merge(chosen, folder, "bf16")
        save_transformers_folder(merged, folder)
        merged.unlink()
        usage = """\
    from transformers import AutoModelForCausalLM, AutoTokenizer
    model = AutoModelForCausalLM.from_pretrained("this folder")
    tokenizer = AutoTokenizer.from_pretrained("this folder")"""
        _write_card(store, chosen, folder, "transformers", usage, kept=kept)
    return kept


def loss_in_words(kept: float) -> str:
    """What rounding did to the change, or nothing where it did little."""
    if kept >= MOST:
        return ""
    return (
        f"rounding left {max(kept, 0):.0%} of what the training changed in the weights (--type f16 leaves all of it)"
    )


def modelfile(path: Path) -> str:
    """An Ollama Modelfile that wraps a text in just what the model was trained with."""
    model = GgufModel(path, vocabulary_only=True)
    try:
        template = ChatTemplate(model)
        head, _, tail = template.render(PLACEHOLDER).partition(PLACEHOLDER)
        stop = template.end_of_turn
    finally:
        model.close()
    lines = [f"FROM ./{path.name}"]
    if any(mark in head + tail + stop for mark in ("{{", '"', "\0")):
        # A GGUF of a stranger must not write lines of its own into this file.
        lines.append("# The chat template cannot be written here; Ollama takes the GGUF's where it knows it.")
    else:
        lines.append(f'TEMPLATE """{head}{{{{ .Prompt }}}}{tail}{{{{ .Response }}}}{stop}"""')
        lines.append(f'PARAMETER stop "{stop}"')
    return "\n".join([*lines, ""])


def _merge(chosen: Chosen, folder: Path, tensor_type: str) -> tuple[Path, float]:
    """The merged model in `folder`, under a name by the GGUF convention; how much of the change is in it."""
    adapters = [WeightedAdapter(chosen.adapters[number].path, weight) for number, weight in chosen.rounds.items()]
    rounds = "-".join(f"r{number}" for number in chosen.rounds)
    name = merged_name(chosen.base.path, f"crescent-{rounds}", tensor_type)
    path = folder / f"{name}.gguf"
    metadata = {"general.name": name}
    if tensor_type not in MIXTURES:
        merge(chosen.base.path, adapters, path, tensor_type=tensor_type, encode=encode_rows, metadata=metadata)
    else:
        floats = folder / "floats.gguf"
        merge(chosen.base.path, adapters, floats, tensor_type="f16", encode=encode_rows, metadata=metadata)
        quantise(floats, tensor_type, path)
        floats.unlink()
    return path, change_kept(chosen.base.path, adapters, path)


def _write_card(store: Store, chosen: Chosen, folder: Path, library: str, usage: str, *, kept: float) -> None:
    base = GgufModel(chosen.base.path, vocabulary_only=True)
    said = (base.metadata(f"general.{key}") for key in ("name", "license", "license.link", "repo_url"))
    facts = BaseFacts(*map(printable_line, said))
    base.close()
    text = card_text(store, chosen.run_id, list(chosen.rounds), facts, library=library, usage=usage, kept=kept)
    (folder / "README.md").write_text(text, encoding="utf-8")


def _unchanged(model: ModelFile) -> ModelFile:
    if not model.path.is_file():
        raise ModelError(f"{model.path}: is not there any more; the run was made with it")
    if sha256_of(model.path) != model.sha256:
        raise ModelError(f"{model.path}: is not the file that the run was made with (its checksum differs)")
    return model


@contextmanager
def _finished_folder(out: Path) -> Iterator[Path]:
    """A folder beside `out` that takes its name when all went well. StorageError where `out` is there already."""
    if out.exists():
        raise StorageError(f"{out}: is there already; give another --output or remove it")
    unfinished = out.with_name(out.name + ".unfinished")
    try:
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(parents=True)
        yield unfinished
        unfinished.replace(out)
    except OSError as error:
        raise StorageError(f"{out}: cannot be written: {error.strerror}") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
