"""Loads the base as a torch model with a new LoRA adapter on it, through PEFT or through Unsloth.

With train.weights = 'gguf' the weights are those that llama.cpp samples from, dequantised. Code from a model repo is
never run, and pickles are never read. Runs in the training program only; knows nothing of examples or steps.
Example: loaded = load(plan, read_base(plan.base_gguf)); loaded.model(input_ids=...)
"""

from __future__ import annotations

import errno
import importlib.util
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
from peft.tuners.tuners_utils import BaseTunerLayer
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig

from crescent_lite.config import TrainConfig
from crescent_lite.errors import MissingPackageError, ModelError, OutOfMemoryError
from crescent_lite.models import parts_of
from crescent_lite.models.hub import hub_errors
from crescent_lite.records import model_name
from crescent_lite.sampling.machine_limits import Memory, memory_now
from crescent_lite.sampling.memory_plan import in_gigabytes
from crescent_lite.training.architectures import LINEAR_LAYERS, refuse_unread_settings
from crescent_lite.training.base_gguf import ROPE_FACTORS, BaseGguf
from crescent_lite.training.losses import TokenBatch, fused_mean_loss, token_losses, unsloth_token_losses
from crescent_lite.training.merging import merge
from crescent_lite.training.plan import TrainingPlan

BFLOAT16_CAPABILITY = (8, 0)
"""The lowest compute capability of a GPU with instructions for bfloat16: Ampere."""
CHECKED_TOKENS = 20
"""Tokens that are generated to check a folder."""
FOLDER_FORMAT = 2
"""Version of the folders that `save_folder` writes; a cached folder of an older version is not used."""


@dataclass(frozen=True)
class LoadedModel:
    """A model ready to be trained."""

    model: Any
    """The model with its LoRA; everything else in it is frozen."""
    device: str
    """'cpu', or the GPU's name."""
    weights: str
    """Number type of the frozen base: 'float32', 'bfloat16', 'float16' or '4-bit NF4'."""
    autocast: torch.dtype | None
    """Number type of matrix products when the base has fewer than 32 bits and the LoRA has 32; else None."""
    token_losses: Callable[[Any, TokenBatch], torch.Tensor]
    """(model, batch) -> the cross entropy of each answer token of the batch, in nats, sequence after sequence."""
    mean_loss: Callable[[Any, TokenBatch, int], torch.Tensor] | None = None
    """(model, batch, n) -> the sum of the same divided by n, where the library has a faster function for it."""
    can_reply: bool = True
    """Whether replies can be drawn from the model between two steps."""


def load(plan: TrainingPlan, base: BaseGguf) -> LoadedModel:
    """Load the model with the loader that the plan names.

    Raises ModelError, NetworkError, StorageError or MissingPackageError.
    """
    if plan.config.weights == "gguf":
        refuse_unread_settings(base)
        base = in_one_file(plan, base)
    return load_unsloth(plan, base) if plan.loader == "unsloth" else load_peft(plan, base)


def load_peft(plan: TrainingPlan, base: BaseGguf) -> LoadedModel:
    """Load the model through PEFT, with the number type of train.precision.

    'auto' means 4-bit NF4 on a GPU; on a CPU it means bfloat16 if the processor has instructions for it, else
    float32.
    """
    on_gpu, config, in_4bit = torch.cuda.is_available(), plan.config, holds_4bit(plan.config)
    has_half = on_gpu or cpu_has_bfloat16() or config.precision == "bfloat16"
    in_float32 = config.precision == "float32" or not has_half
    dtype = torch.float32 if in_float32 else half_precision()
    if in_4bit and importlib.util.find_spec("bitsandbytes") is None:
        raise MissingPackageError(
            "train.precision: 4-bit weights need bitsandbytes: run `pip install bitsandbytes`, "
            "or set train.precision = 'bfloat16'"
        )
    if config.weights == "gguf" and not in_4bit:
        model = dequantised(base, dtype).to("cuda" if on_gpu else "cpu")
    else:
        quantization = {"quantization_config": _nf4(dtype)} if in_4bit else {}
        model = _load_folder(weights_source(plan, base), dtype, on_gpu=on_gpu, **quantization)
    if config.weights == "gguf" and base.rope_factors is not None:
        _apply_rope_factors(model, base)
    if in_4bit:
        model = prepare_model_for_kbit_training(model)
    lora = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=list(LINEAR_LAYERS[base.architecture]),
        bias="none",
        task_type="CAUSAL_LM",
    )
    weights = "4-bit NF4" if in_4bit else _name(dtype)
    autocast, tuned = None if in_float32 else dtype, get_peft_model(model, lora)
    if autocast:  # autocast converts the input of every product; PEFT would first convert it to 32 bits
        for layer in tuned.modules():
            if isinstance(layer, BaseTunerLayer):
                layer.cast_input_dtype_enabled = False
    return LoadedModel(tuned, device_name(), weights, autocast, token_losses)


def load_unsloth(plan: TrainingPlan, base: BaseGguf) -> LoadedModel:
    """Load the model through Unsloth, with the number type of train.precision.

    'auto' means 4-bit NF4 on a GPU; on a CPU Unsloth chooses.
    """
    # program.py imports Unsloth before transformers, because Unsloth patches it.
    from unsloth import FastLanguageModel

    config = plan.config
    if config.weights == "gguf" and base.rope_factors is not None:
        raise ModelError(
            f"{base.path}: Unsloth cannot use the rotary factors of a GGUF: set train.loader = 'peft', "
            "or train.weights to the model's Hugging Face folder or repo"
        )
    on_gpu, in_4bit = torch.cuda.is_available(), holds_4bit(config)
    if in_4bit and not on_gpu:
        raise ModelError(
            "train.precision: Unsloth supports 4-bit weights on a GPU only: set train.loader = 'peft', "
            "or another precision"
        )
    if config.precision == "float32":
        dtype = torch.float32
    else:  # None lets Unsloth choose: bfloat16 if the processor has instructions for it
        dtype = half_precision() if on_gpu or config.precision == "bfloat16" else None
    source = weights_source(plan, base)
    try:
        model, _ = FastLanguageModel.from_pretrained(
            model_name=source,
            max_seq_length=config.max_example_tokens,
            dtype=dtype,
            load_in_4bit=in_4bit,
            use_exact_model_name=True,
            use_safetensors=True,
            trust_remote_code=False,
        )
    except (RuntimeError, ValueError) as error:
        if not str(error).startswith("Unsloth"):
            raise
        raise ModelError(f"{source}: {_first_line(error)} Try train.loader = 'peft'.") from None
    model = FastLanguageModel.get_peft_model(
        model,
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=list(LINEAR_LAYERS[base.architecture]),
        bias="none",
        use_gradient_checkpointing="unsloth" if on_gpu else False,
        random_state=plan.seed,
        max_seq_length=config.max_example_tokens,
    )
    dtype = dtype or model.dtype
    weights, autocast = "4-bit NF4" if in_4bit else _name(dtype), dtype if dtype != torch.float32 else None
    each_token = unsloth_token_losses if on_gpu else token_losses  # its CPU backend leaves the decoder as it is
    return LoadedModel(model, device_name(), weights, autocast, each_token, fused_mean_loss, can_reply=not on_gpu)


def in_one_file(plan: TrainingPlan, base: BaseGguf) -> BaseGguf:
    """The base; a split one as a joined copy in the cache folder, because transformers reads one file only.

    Raises StorageError.
    """
    if len(parts_of(base.path)) == 1:
        return base
    joined = plan.cache_dir / f"{model_name(base.path.name)}-{plan.base_sha256[:12]}.gguf"
    if not joined.exists():
        joined.parent.mkdir(parents=True, exist_ok=True)
        merge(base.path, [], joined, tensor_type="same", encode=_nothing_to_encode, metadata={})
    return replace(base, path=joined)


def _nothing_to_encode(rows: np.ndarray, tensor_type: int) -> np.ndarray:
    raise AssertionError(f"joining parts encodes no rows, but got {rows.shape} of type {tensor_type}")


def dequantised(base: BaseGguf, dtype: torch.dtype) -> Any:
    """The GGUF's weights as an ordinary transformers model of floats. Raises ModelError or OutOfMemoryError."""
    refuse_too_large(base, dtype, memory_now())
    try:
        model = AutoModelForCausalLM.from_pretrained(
            str(base.path.parent), gguf_file=base.path.name, dtype=dtype, trust_remote_code=False
        )
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOMEM:
            raise
        raise ModelError(f"{base.path}: transformers cannot dequantise it: {_first_line(error)}") from None
    read, expected = len(list(model.parameters())), len(base.shapes.keys() - {ROPE_FACTORS})
    if read != expected:
        raise ModelError(
            f"{base.path}: transformers reads only {read} of its {expected} tensors: "
            "set train.weights to the model's Hugging Face folder or repo"
        )
    # The weights are plain floats now, but the model is still marked as quantised, so it could be neither trained nor
    # saved.
    model.hf_quantizer = None
    model.is_quantized = False
    del model.config.quantization_config
    return model


def refuse_too_large(base: BaseGguf, dtype: torch.dtype, memory: Memory) -> None:
    """Raise OutOfMemoryError, before anything is loaded, if the dequantised weights do not fit in memory."""
    if (size := base.parameters * dtype.itemsize) > memory.free_bytes:
        raise OutOfMemoryError(
            f"{base.path}: for training its weights take {in_gigabytes(size)} as {_name(dtype)}, but only "
            f"{in_gigabytes(memory.free_bytes)} of memory can be used; use a smaller model"
        )


def weights_source(plan: TrainingPlan, base: BaseGguf) -> str:
    """The folder or repo to load: train.weights, or a cached folder with the GGUF's dequantised weights."""
    if plan.config.weights != "gguf":
        folder = Path(plan.config.weights).expanduser()
        return str(folder) if folder.is_dir() else plan.config.weights
    folder = plan.cache_dir / f"{model_name(base.path.name)}-{plan.base_sha256[:12]}-{FOLDER_FORMAT}"
    if not folder.exists():
        unfinished = folder.with_name(folder.name + ".unfinished")
        shutil.rmtree(unfinished, ignore_errors=True)
        save_folder(base, unfinished)
        unfinished.replace(folder)
    return str(folder)


def save_folder(base: BaseGguf, folder: Path) -> None:
    """Write a GGUF as a Hugging Face folder: bfloat16 weights as safetensors, settings, tokenizer and chat template.

    Raises ModelError.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            str(base.path.parent), gguf_file=base.path.name, trust_remote_code=False
        )
    except Exception as error:  # noqa: BLE001  the tokenizers library raises plain Exceptions
        raise ModelError(
            f"{base.path}: transformers cannot read its tokenizer ({type(error).__name__}: {_first_line(error)}), "
            "which Unsloth and a transformers folder need: train with PEFT, and export an adapter or a GGUF"
        ) from None
    model = dequantised(base, torch.bfloat16)
    for role in ("eos_token", "pad_token"):  # as in the file; the converter uses defaults of the tokenizer's class
        number = getattr(model.config, f"{role}_id", None)
        if isinstance(number, int):
            setattr(tokenizer, role, tokenizer.convert_ids_to_tokens(number))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def require_generation(folder: Path) -> None:
    """Raise ModelError unless transformers loads the folder and generates some tokens with it."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16, trust_remote_code=False)
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    prompt = tokenizer("What is 2 + 3?", return_tensors="pt")
    done = model.generate(
        **prompt,
        max_new_tokens=CHECKED_TOKENS,
        min_new_tokens=CHECKED_TOKENS,
        do_sample=False,
        output_logits=True,
        return_dict_in_generate=True,
    )
    if any(logits.isnan().any() for logits in done.logits):
        raise ModelError(f"{folder}: transformers loads it, but its logits are not numbers")


def holds_4bit(config: TrainConfig) -> bool:
    """Whether the frozen base is stored in 4 bits, as in QLoRA (arXiv 2305.14314)."""
    return config.precision == "nf4" or (config.precision == "auto" and torch.cuda.is_available())


def half_precision() -> torch.dtype:
    """The 16-bit float type that this machine multiplies."""
    return half_precision_of(torch.cuda.get_device_capability() if torch.cuda.is_available() else None)


def half_precision_of(capability: tuple[int, int] | None) -> torch.dtype:
    """bfloat16 on a CPU (None) and on a GPU whose compute capability is at least 8.0; float16 on an older GPU.

    torch.cuda.is_bf16_supported() is also true where bfloat16 is only emulated, as on a T4 or V100, and then slow.
    """
    return torch.bfloat16 if capability is None or capability >= BFLOAT16_CAPABILITY else torch.float16


def cpu_has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 itself; where it is emulated, 32-bit floats are much faster."""
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())


def device_name() -> str:
    """'cpu', or the GPU's name."""
    return str(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else "cpu"


def _load_folder(source: str, dtype: torch.dtype, *, on_gpu: bool, **options: Any) -> Any:
    if on_gpu:
        options["device_map"] = {"": 0}
    with hub_errors(f"train.weights: {source}", missing=ModelError):
        return AutoModelForCausalLM.from_pretrained(
            source, dtype=dtype, use_safetensors=True, trust_remote_code=False, **options
        )


def _nf4(dtype: torch.dtype) -> Any:
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
    )


def _apply_rope_factors(model: Any, base: BaseGguf) -> None:
    """Divide the rotary frequencies as llama.cpp does; transformers ignores these factors of a GGUF."""
    frequencies = model.get_decoder().rotary_emb.inv_freq
    factors = torch.tensor(base.rope_factors, dtype=frequencies.dtype, device=frequencies.device)
    frequencies.div_(factors)


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
