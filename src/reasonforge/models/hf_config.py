"""Hugging Face's ``config.json`` to a decoder's shape and back. Torch-free.

What is read changes what the model computes; a key that would change it in a way this decoder cannot is refused, never ignored.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from reasonforge.core.errors import DataError
from reasonforge.models.config import DecoderConfig, LinearScaling, Llama3Scaling, RopeScaling, YarnScaling

CONFIG_NAME = "config.json"
WEIGHTS_NAME = "model.safetensors"
INDEX_NAME = "model.safetensors.index.json"
SCORES_KEY = "reasonforge"
"""Section of ``config.json`` with what a reward model's scores mean; other readers pass over it."""

# Bounds far beyond any model, so that a corrupt number is an error here and not an allocation that kills the process.
_Size = Annotated[int, Field(gt=0, lt=1 << 24)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Fields(BaseModel):
    """The keys that all families share, with the defaults that transformers gives them. Others are none of our business."""

    model_config = ConfigDict(extra="ignore", strict=True)

    model_type: Literal["llama", "mistral", "qwen2", "qwen3"]
    vocab_size: _Size
    hidden_size: _Size
    num_hidden_layers: Annotated[int, Field(gt=0, lt=1 << 16)]
    num_attention_heads: _Size
    num_key_value_heads: _Size | None = None
    head_dim: _Size | None = None
    intermediate_size: _Size
    max_position_embeddings: Annotated[int, Field(gt=0, lt=1 << 40)] = 2048
    rms_norm_eps: _Positive = 1e-6
    hidden_act: Literal["silu", "swish"] = "silu"
    tie_word_embeddings: bool = False
    attention_bias: bool = False
    mlp_bias: bool = False
    rope_theta: _Positive = 10_000.0
    partial_rotary_factor: float | None = None
    rope_scaling: dict[str, Any] | None = None
    rope_parameters: dict[str, Any] | None = None
    use_sliding_window: bool = False
    sliding_window: int | None = None
    layer_types: list[str] | None = None
    auto_map: Any = None
    quantization_config: Any = None
    pretraining_tp: int | None = None


def load_config(path: str | Path) -> DecoderConfig:
    """Read the shape of a checkpoint folder (or of a ``config.json``).

    Raises:
        DataError: the file is missing or broken, or asks for what this decoder does not compute; one line with file and key.
    """
    file = Path(path)
    file = file / CONFIG_NAME if file.is_dir() else file
    return config_from_json(read_json_object(file), where=str(file))


def read_json_object(file: Path) -> dict[str, Any]:
    """Read a JSON file that must hold an object; a ``DataError`` names the file otherwise."""
    try:
        content = json.loads(file.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{file}: no such file. Give a folder with config.json and *.safetensors.") from None
    except OSError as error:
        raise DataError(f"{file}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # ValueError: bad UTF-8 as well as bad JSON
        raise DataError(f"{file}: not valid JSON: {str(error).splitlines()[0]}. Download or copy the file again.") from None
    if not isinstance(content, dict):
        raise DataError(f"{file}: must hold a JSON object, holds {type(content).__name__}")
    return content


def config_from_json(content: Mapping[str, Any], *, where: str) -> DecoderConfig:
    """Return the shape that a parsed ``config.json`` describes; ``where`` names it in errors."""
    try:
        fields = _Fields.model_validate(dict(content))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise DataError(f"{where}: {key}: {_reason(first)}") from None
    _refuse_what_we_do_not_compute(fields, where)
    family = fields.model_type
    biased = fields.attention_bias and family in ("llama", "qwen3")
    head_dim = fields.head_dim or (128 if family == "qwen3" else fields.hidden_size // fields.num_attention_heads)
    try:
        return DecoderConfig(
            vocab_size=fields.vocab_size,
            hidden_size=fields.hidden_size,
            num_layers=fields.num_hidden_layers,
            num_heads=fields.num_attention_heads,
            num_kv_heads=fields.num_key_value_heads or fields.num_attention_heads,
            head_dim=head_dim,
            intermediate_size=fields.intermediate_size,
            max_positions=fields.max_position_embeddings,
            rms_norm_eps=fields.rms_norm_eps,
            rope_theta=_rope_theta(fields, where),
            rope_scaling=_rope_scaling(fields, where),
            qk_norm=family == "qwen3",
            attention_bias=biased or family == "qwen2",
            output_bias=biased,
            mlp_bias=fields.mlp_bias and family == "llama",
            tie_embeddings=fields.tie_word_embeddings,
        )
    except ValidationError as error:
        raise DataError(f"{where}: {_reason(error.errors()[0])}") from None


def _reason(error: Any) -> str:
    """Return pydantic's message with what was given, on one line."""
    given = "" if error["type"] in ("missing", "value_error") else f", not {str(error['input'])[:60]!r}"
    return f"{error['msg']}{given}".replace("\n", " ")


def _refuse_what_we_do_not_compute(fields: _Fields, where: str) -> None:
    if fields.auto_map is not None:
        raise DataError(f"{where}: auto_map: this model brings its own Python code, which is never run. Use a model of a known family.")
    if fields.quantization_config is not None:
        raise DataError(f"{where}: quantization_config: quantised weights are not supported. Use the bfloat16 or float32 checkpoint.")
    if fields.partial_rotary_factor not in (None, 1.0):
        raise DataError(f"{where}: partial_rotary_factor: rotating a part of each head is not supported")
    if fields.pretraining_tp not in (None, 1) and fields.model_type == "llama":
        raise DataError(f"{where}: pretraining_tp: sliced projections are not supported; set it to 1 (the weights are the same)")
    # Qwen files carry a window that a second key switches off; Mistral files use it wherever it is there.
    window_in_use = fields.use_sliding_window if fields.model_type.startswith("qwen") else fields.sliding_window is not None
    if window_in_use and fields.sliding_window is not None:
        raise DataError(f"{where}: sliding_window: sliding-window attention is not supported")
    if any(kind != "full_attention" for kind in fields.layer_types or ()):
        raise DataError(f"{where}: layer_types: only full_attention is supported")


def _rope_section(fields: _Fields) -> dict[str, Any]:
    """Return the RoPE settings wherever they stand: ``rope_parameters`` (transformers 5) or ``rope_scaling`` (before)."""
    return fields.rope_scaling or fields.rope_parameters or {}


def _rope_theta(fields: _Fields, where: str) -> float:
    section = _rope_section(fields)
    return _number(section, "rope_theta", where, default=fields.rope_theta)


def _rope_scaling(fields: _Fields, where: str) -> RopeScaling | None:
    section = _rope_section(fields)
    if section.get("partial_rotary_factor") not in (None, 1.0):
        raise DataError(f"{where}: rope_parameters.partial_rotary_factor: rotating a part of each head is not supported")
    kind = section.get("rope_type", section.get("type", "default"))
    if kind == "default":
        return None
    if kind == "linear":
        return LinearScaling(factor=_number(section, "factor", where))
    if kind not in ("llama3", "yarn"):
        raise DataError(f"{where}: rope_type: {str(kind)[:60]!r} is not supported (default, linear, llama3 and yarn are)")
    original = int(_number(section, "original_max_position_embeddings", where, default=fields.max_position_embeddings))
    if kind == "llama3":
        low, high = _number(section, "low_freq_factor", where), _number(section, "high_freq_factor", where)
        if high <= low:
            raise DataError(f"{where}: high_freq_factor: must be greater than low_freq_factor ({low}), is {high}")
        return Llama3Scaling(
            factor=_number(section, "factor", where), low_freq_factor=low, high_freq_factor=high, original_max_positions=original
        )
    for key in ("mscale", "mscale_all_dim"):
        if section.get(key) is not None:
            raise DataError(f"{where}: {key}: not supported; state attention_factor instead")
    if section.get("truncate") is False:
        raise DataError(f"{where}: truncate: YaRN without rounded borders is not supported")
    return YarnScaling(
        factor=_number(section, "factor", where, default=fields.max_position_embeddings / original),
        original_max_positions=original,
        beta_fast=_number(section, "beta_fast", where, default=32.0),
        beta_slow=_number(section, "beta_slow", where, default=1.0),
        attention_factor=None if section.get("attention_factor") is None else _number(section, "attention_factor", where),
    )


def _number(section: Mapping[str, Any], key: str, where: str, *, default: float | None = None) -> float:
    value = section.get(key)
    value = default if value is None else value
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e18:
        raise DataError(f"{where}: {key}: must be a positive number, is {str(value)[:60]!r}")
    return float(value)


def config_to_json(
    config: DecoderConfig,
    *,
    dtype: str,
    eos_ids: Sequence[int] = (),
    bos_id: int | None = None,
    pad_id: int | None = None,
) -> dict[str, Any]:
    """Return the ``config.json`` of the family that has this shape's features; transformers 4 and 5 and other engines read it.

    Raises:
        DataError: no family has this combination of features.
    """
    family, class_name = _family(config)
    content: dict[str, Any] = {
        "architectures": [class_name],
        "model_type": family,
        "vocab_size": config.vocab_size,
        "hidden_size": config.hidden_size,
        "intermediate_size": config.intermediate_size,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "head_dim": config.head_dim,
        "hidden_act": "silu",
        "max_position_embeddings": config.max_positions,
        "rms_norm_eps": config.rms_norm_eps,
        "tie_word_embeddings": config.tie_embeddings,
        # The keys of transformers 4, which 5 reads too; not so the other way round.
        "rope_theta": config.rope_theta,
        "rope_scaling": _scaling_to_json(config.rope_scaling),
        "attention_dropout": 0.0,
        "initializer_range": 0.02,
        "use_cache": True,
        "torch_dtype": dtype,
        **special_ids(eos_ids=eos_ids, bos_id=bos_id, pad_id=pad_id),
    }
    if family in ("llama", "qwen3"):
        content["attention_bias"] = config.attention_bias
    if family == "llama":
        content["mlp_bias"] = config.mlp_bias
    else:
        content |= {"use_sliding_window": False, "sliding_window": None}
    return content


def scalar_config_of(content: Mapping[str, Any], scores: Mapping[str, Any]) -> dict[str, Any]:
    """Return a language model's ``config.json`` as that of a sequence classifier with one label; ``scores`` says what the label means."""
    classifier = content["architectures"][0].replace("ForCausalLM", "ForSequenceClassification")
    labels = {"id2label": {"0": "score"}, "label2id": {"score": 0}}
    return dict(content) | {"architectures": [classifier], **labels, SCORES_KEY: {"scores": dict(scores)}}


def scores_of_config(content: Mapping[str, Any], *, where: str) -> dict[str, Any]:
    """Return what ``scalar_config_of`` was told of the scores; empty if the file is of others.

    Raises:
        DataError: the section is there and damaged.
    """
    section = content.get(SCORES_KEY, {"scores": {}})
    scores = section.get("scores") if isinstance(section, dict) else None
    if not isinstance(scores, dict):
        raise DataError(f"{where}: {SCORES_KEY}.scores: must be an object that says how scores are read. Copy the file again.")
    return scores


def special_ids(*, eos_ids: Sequence[int], bos_id: int | None, pad_id: int | None) -> dict[str, Any]:
    """Return the ids a generator needs, as ``config.json`` and ``generation_config.json`` write them; several end tokens are a list."""
    eos = eos_ids[0] if len(eos_ids) == 1 else list(eos_ids) or None
    return {"bos_token_id": bos_id, "eos_token_id": eos, "pad_token_id": pad_id}


def _family(config: DecoderConfig) -> tuple[str, str]:
    if config.qk_norm and config.attention_bias == config.output_bias and not config.mlp_bias:
        return "qwen3", "Qwen3ForCausalLM"
    if not config.qk_norm and config.attention_bias and not config.output_bias and not config.mlp_bias:
        return "qwen2", "Qwen2ForCausalLM"
    if not config.qk_norm and config.attention_bias == config.output_bias and config.hidden_size % config.num_heads == 0:
        return "llama", "LlamaForCausalLM"
    raise DataError(
        f"no Hugging Face family has qk_norm={config.qk_norm}, attention_bias={config.attention_bias}, output_bias={config.output_bias}, "
        f"mlp_bias={config.mlp_bias}, hidden_size={config.hidden_size}, num_heads={config.num_heads}. Change the shape to that of Llama "
        "(no qk_norm, both attention biases or none, hidden_size a multiple of num_heads), Qwen2 (attention_bias alone) or Qwen3 (qk_norm)."
    )


def _scaling_to_json(scaling: RopeScaling | None) -> dict[str, Any] | None:
    match scaling:
        case None:
            return None
        case LinearScaling():
            return {"rope_type": "linear", "factor": scaling.factor}
        case Llama3Scaling():
            return {
                "rope_type": "llama3",
                "factor": scaling.factor,
                "low_freq_factor": scaling.low_freq_factor,
                "high_freq_factor": scaling.high_freq_factor,
                "original_max_position_embeddings": scaling.original_max_positions,
            }
        case YarnScaling():
            content = {
                "rope_type": "yarn",
                "factor": scaling.factor,
                "original_max_position_embeddings": scaling.original_max_positions,
                "beta_fast": scaling.beta_fast,
                "beta_slow": scaling.beta_slow,
            }
            return content if scaling.attention_factor is None else content | {"attention_factor": scaling.attention_factor}
