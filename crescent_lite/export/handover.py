"""Exports a run's model for other programs: as an adapter, one merged GGUF, or a folder that transformers loads.

Each export is a folder with a card, written completely or not at all: only a model that decodes is handed over. Base
and adapters must still have the checksums that are stored with the run. Example:
    export_gguf(store, choose(store, 1, {}), Path("out"), "q4_k_m").kept    # share of the change that rounding left
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from crescent_lite.config import ModelConfig
from crescent_lite.config.names import GgufType
from crescent_lite.errors import ConfigError, ModelError, TrainingError
from crescent_lite.export.card import BaseFacts, card_text
from crescent_lite.export.provenance import write_provenance
from crescent_lite.files import atomic_replacement
from crescent_lite.models import require_unchanged, sha256_of
from crescent_lite.preparation import model_settings_of
from crescent_lite.printable import printable, printable_line
from crescent_lite.records import ModelFile, peft_dir_of
from crescent_lite.report.primary import primary_number
from crescent_lite.sampling.chat import PLACEHOLDER, ChatTemplate
from crescent_lite.sampling.decoding import require_decoding
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.quantising import MIXTURES, encode_rows, quantise
from crescent_lite.store import Store
from crescent_lite.training import save_transformers_folder
from crescent_lite.training.adapter_gguf import write_adapter_gguf
from crescent_lite.training.base_gguf import BaseGguf, read_base
from crescent_lite.training.merging import (
    NOTHING_ROUNDED,
    Rounding,
    WeightedAdapter,
    merge,
    merged_name,
    rounding,
)

MOST = 0.9
"""The user is warned if rounding leaves less than this share of the change made by training (guess)."""
NOISY = 0.5
"""The user is warned if rounding moves the weights by more than this multiple of the change (guess)."""
TEMPLATE_FILE = "chat_template.jinja"
"""The chat template beside an exported adapter, if the run was given one."""
PEFT_FILES = ("adapter_config.json", "adapter_model.safetensors")
"""The files of a PEFT adapter."""


@dataclass(frozen=True)
class ChosenRounds:
    """The base and the rounds to export."""

    run_id: int
    base: ModelFile
    rounds: dict[int, float]
    """Round -> weight of its adapter; 1 is the adapter as trained."""
    adapters: dict[int, ModelFile]
    """Round -> its adapter."""
    model: ModelConfig = field(default_factory=ModelConfig)
    """The run's settings of its model: the chat template given in place of the GGUF's, and template arguments."""

    @property
    def is_as_trained(self) -> bool:
        """Whether it is one round's adapter with weight 1: the model that the run measured."""
        return list(self.rounds.values()) == [1.0]


def choose(store: Store, run_id: int, rounds: dict[int, float]) -> ChosenRounds:
    """Return the base and the adapters of these rounds (round -> weight); for no rounds, those of the kept round.

    Raises NotFoundError for a round without an adapter, or ModelError for a file that is missing or has changed.
    """
    run = store.runs.fetch_run(run_id)
    standing = store.fetch_standing(run_id)
    standing.require(rounds)
    if not rounds and standing.kept is not None:
        rounds = {standing.kept: 1.0}
    base = require_unchanged(store.runs.fetch_base(run))
    adapters = {number: require_unchanged(store.runs.fetch_model(standing.adapters[number])) for number in rounds}
    return ChosenRounds(run_id, base, rounds, adapters, model_settings_of(store, run))


def export_adapter(store: Store, chosen: ChosenRounds, out: Path) -> Rounding:
    """Export an adapter as GGUF and, if its PEFT files are there, also as PEFT. Returns the effect of rounding: none.

    Raises ConfigError, ModelError or StorageError.
    """
    if not chosen.is_as_trained:
        raise ConfigError(
            "export adapter takes one round with weight 1; `crescent export gguf` merges several rounds or weights"
        )
    ((number, adapter),) = chosen.adapters.items()
    base, peft_dir, name = read_base(chosen.base.path), peft_dir_of(adapter.path), f"round-{number}.gguf"
    usage = f"    llama-server -m {chosen.base.file_name} --lora {name}{_template_options(chosen.model)}"
    with _finished_folder(out) as folder:
        if chosen.model.chat_template:
            (folder / TEMPLATE_FILE).write_text(chosen.model.chat_template, encoding="utf-8")
        shutil.copy(adapter.path, folder / name)
        _refuse_undecodable(chosen.base.path, folder, folder / name)
        has_peft = peft_dir.is_dir()
        if has_peft:
            for file in PEFT_FILES:
                shutil.copy(peft_dir / file, folder / file)
            _refuse_another_peft(folder, base, adapter, chosen.base)
            _name_base(folder / PEFT_FILES[0], chosen.base.name)
        if has_peft and base.rope_factors is None:  # transformers leaves a GGUF's rotary factors out
            usage += f"""

With transformers and PEFT, from the base's GGUF:

    from peft import PeftModel
    from transformers import AutoModelForCausalLM
    base = AutoModelForCausalLM.from_pretrained("FOLDER", gguf_file="{chosen.base.file_name}")
    model = PeftModel.from_pretrained(base, "this folder")"""
        _write_card(store, chosen, folder, "peft" if has_peft else "llama.cpp", usage, NOTHING_ROUNDED)
        write_provenance(folder, chosen.run_id, chosen.rounds, "adapter", None, NOTHING_ROUNDED.kept)
    return NOTHING_ROUNDED


def export_gguf(store: Store, chosen: ChosenRounds, out: Path, tensor_type: GgufType) -> Rounding:
    """Export one merged GGUF with a Modelfile for Ollama. Returns the effect of rounding.

    Raises ModelError or StorageError.
    """
    with _finished_folder(out) as folder:
        path, rounded = _merge(chosen, folder, tensor_type)
        (folder / "Modelfile").write_text(modelfile(path, chosen.model), encoding="utf-8")
        options = _template_options(replace(chosen.model, chat_template=""))  # the file contains the template
        usage = f"    llama-server -m {path.name}{options}\n    ollama create my-model -f Modelfile"
        _write_card(store, chosen, folder, "llama.cpp", usage, rounded)
        write_provenance(folder, chosen.run_id, chosen.rounds, "gguf", tensor_type, rounded.kept)
    return rounded


def export_folder(store: Store, chosen: ChosenRounds, out: Path) -> Rounding:
    """Export merged safetensors, settings and tokenizer for transformers. Returns the effect of rounding.

    Raises ModelError or StorageError.
    """
    with _finished_folder(out) as folder:
        merged, rounded = _merge(chosen, folder, "bf16")
        save_transformers_folder(merged, folder)
        _set_end_of_turn(folder, merged, chosen.model)
        merged.unlink()
        usage = """\
    from transformers import AutoModelForCausalLM, AutoTokenizer
    model = AutoModelForCausalLM.from_pretrained("this folder")
    tokenizer = AutoTokenizer.from_pretrained("this folder")"""
        _write_card(store, chosen, folder, "transformers", usage, rounded)
        write_provenance(folder, chosen.run_id, chosen.rounds, "folder", "bf16", rounded.kept)
    return rounded


def not_better_in_words(store: Store, chosen: ChosenRounds) -> str:
    """Return which exported rounds are not shown to be better than the base; empty if all are."""
    primary = primary_number(store, store.runs.fetch_run(chosen.run_id))
    words = {
        n: primary.not_better_in_words(n) if primary else "it was not compared with the base" for n in chosen.rounds
    }
    return "; ".join(f"round {number}: {said}" for number, said in words.items() if said)


def rounding_in_words(rounded: Rounding) -> str:
    """Return a warning about the effect of rounding on the weights; empty if it is small."""
    if rounded.kept < MOST:
        left = f"rounding left {max(rounded.kept, 0):.0%} of the change that training made to the weights"
        return f"{left} (--type f16 leaves all of it)"
    if rounded.noise > NOISY:
        moved = f"rounding moved the weights {rounded.noise:.1f} times as far as the training did"
        return f"{moved}: measure the file before you trust it (crescent eval --set model.source=FILE)"
    return ""


def modelfile(path: Path, settings: ModelConfig | None = None) -> str:
    """Return an Ollama Modelfile with the chat template that the model was trained with, arguments included."""
    model = GgufModel(path, vocabulary_only=True)
    try:
        template = ChatTemplate(model, settings)
        head, _, tail = template.render(PLACEHOLDER).partition(PLACEHOLDER)
        stop = template.end_of_turn
    finally:
        model.close()
    lines = [f"FROM ./{path.name}"]
    if any(mark in head + tail + stop for mark in '{}"') or printable(head + tail + stop) != head + tail + stop:
        # An untrusted GGUF must not write lines of its own into this file.
        lines.append("# The chat template cannot be written here; Ollama uses that of the GGUF if it knows it.")
    else:
        lines.append(f'TEMPLATE """{head}{{{{ .Prompt }}}}{tail}{{{{ .Response }}}}{stop}"""')
        lines.append(f'PARAMETER stop "{stop}"')
    return "\n".join([*lines, ""])


def _merge(chosen: ChosenRounds, folder: Path, tensor_type: str) -> tuple[Path, Rounding]:
    """Write the merged model, named by the GGUF convention; return its path and the effect of rounding."""
    adapters = [WeightedAdapter(chosen.adapters[number].path, weight) for number, weight in chosen.rounds.items()]
    rounds = "-".join(f"r{number}" + ("" if part == 1 else f"x{part:g}") for number, part in chosen.rounds.items())
    name = merged_name(chosen.base.path, chosen.base.name, f"crescent-{rounds}", tensor_type)
    path = folder / f"{name}.gguf"
    metadata = {"general.name": name}
    if chosen.model.chat_template:
        metadata["tokenizer.chat_template"] = chosen.model.chat_template
    if tensor_type not in MIXTURES:
        merge(chosen.base.path, adapters, path, tensor_type=tensor_type, encode=encode_rows, metadata=metadata)
    else:
        floats = folder / "floats.gguf"
        merge(chosen.base.path, adapters, floats, tensor_type="f16", encode=encode_rows, metadata=metadata)
        quantise(floats, tensor_type, path)
        floats.unlink()
    _refuse_undecodable(path, folder)
    return path, rounding(chosen.base.path, adapters, path)


def _refuse_undecodable(model: Path, folder: Path, adapter: Path | None = None) -> None:
    """Raise ModelError if the exported model does not decode. The message does not name the unfinished folder."""
    try:
        require_decoding(model, adapter)
    except ModelError as error:
        problem = str(error).replace(f"{folder}/", "")
        raise ModelError(f"nothing is exported, because the model would not work: {problem}") from None


def _write_card(
    store: Store, chosen: ChosenRounds, folder: Path, library: str, usage: str, rounded: Rounding
) -> None:
    base = GgufModel(chosen.base.path, vocabulary_only=True)
    said = (base.metadata(f"general.{key}") for key in ("name", "license", "license.link", "repo_url"))
    facts = BaseFacts(*map(printable_line, said))
    base.close()
    measured = [
        "The scores below are those of the base with its adapter."
        if chosen.is_as_trained
        else "This mixture of rounds was not measured; the scores below are those of the single rounds."
    ]
    if rounded != NOTHING_ROUNDED:
        measured.append(
            f"These files contain {max(rounded.kept, 0):.0%} of the change that training made to the weights."
        )
    if words := rounding_in_words(rounded):
        measured.append(f"{words[0].upper()}{words[1:]}.")
    if words := not_better_in_words(store, chosen):
        measured.append(f"Before you use it: {words}.")
    text = card_text(
        store, chosen.run_id, chosen.rounds, facts, library=library, usage=usage, measured=" ".join(measured)
    )
    (folder / "README.md").write_text(text, encoding="utf-8")


def _refuse_another_peft(folder: Path, base: BaseGguf, adapter: ModelFile, base_file: ModelFile) -> None:
    """Raise ModelError unless the PEFT adapter belongs to the GGUF adapter.

    No checksum of the PEFT files is stored; they belong to the GGUF if they convert to the same bytes.
    """
    again = folder / "again.gguf"
    try:
        write_adapter_gguf(folder, base, again, base_file.sha256)
        same = sha256_of(again) == adapter.sha256
    except TrainingError as error:
        raise ModelError(str(error)) from None
    finally:
        again.unlink(missing_ok=True)
    if not same:
        raise ModelError(
            f"{peft_dir_of(adapter.path)}: is not what {adapter.path.name} was made from; move it away to export "
            "the GGUF alone"
        )


def _name_base(settings: Path, name: str) -> None:
    """Write the base's name into a PEFT adapter's settings, in place of a path of this machine."""
    values = json.loads(settings.read_text(encoding="utf-8"))
    values["base_model_name_or_path"] = name
    settings.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def _template_options(model: ModelConfig) -> str:
    """The options by which llama-server gets the run's chat template and its arguments; '' without any."""
    options = f" --jinja --chat-template-file {TEMPLATE_FILE}" if model.chat_template else ""
    if model.template_arguments:
        options += f" --chat-template-kwargs {shlex.quote(json.dumps(dict(model.template_arguments)))}"
    return options


def _set_end_of_turn(folder: Path, gguf: Path, settings: ModelConfig) -> None:
    """Set the end-of-turn token that the model was trained with, which may differ from the GGUF's EOS token."""
    model = GgufModel(gguf, vocabulary_only=True)
    template = ChatTemplate(model, settings)
    ends, text = list(dict.fromkeys((template.end_of_turn_id, *model.end_tokens))), template.end_of_turn
    model.close()
    for name, values in (
        ("generation_config.json", {"eos_token_id": ends}),
        ("tokenizer_config.json", {"eos_token": text, "eos_token_id": ends[0]}),
    ):
        path = folder / name
        known = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        path.write_text(json.dumps(known | values, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


@contextmanager
def _finished_folder(out: Path) -> Iterator[Path]:
    """Yield a folder beside `out` that replaces `out` at the end, and is deleted after an error."""
    with atomic_replacement(out) as folder:
        folder.mkdir()
        yield folder
