"""``config.json``: what is understood, what is refused, and that writing then reading changes nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reasonforge.core.errors import DataError
from reasonforge.models.config import DecoderConfig, LinearScaling, Llama3Scaling, YarnScaling
from reasonforge.models.hf_config import config_from_json, config_to_json, load_config
from tests.models.build import SHAPES

QWEN2: dict[str, Any] = {
    "model_type": "qwen2",
    "vocab_size": 50,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "rope_theta": 1_000_000.0,
    "tie_word_embeddings": True,
    "use_sliding_window": False,
    "sliding_window": 32,
    "torch_dtype": "bfloat16",
}


def _read(**changes: Any) -> DecoderConfig:
    return config_from_json({key: value for key, value in (QWEN2 | changes).items() if value != "absent"}, where="folder/config.json")


def test_a_published_style_file_is_understood() -> None:
    config = _read()
    assert (config.num_kv_heads, config.head_dim, config.rope_theta) == (2, 8, 1_000_000.0)
    assert config.attention_bias
    assert config.tie_embeddings
    assert [config.output_bias, config.qk_norm, config.mlp_bias] == [False] * 3


@pytest.mark.parametrize("name", SHAPES)
def test_written_then_read_is_the_same_shape(name: str) -> None:
    content = json.loads(json.dumps(config_to_json(SHAPES[name], dtype="float32")))
    assert config_from_json(content, where="here") == SHAPES[name]


def test_old_and_new_rope_keys_mean_the_same() -> None:
    scaling = {
        "rope_type": "llama3",
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 32,
    }
    old = _read(rope_theta=5e5, rope_scaling=scaling)
    new = _read(rope_theta="absent", rope_parameters=scaling | {"rope_theta": 5e5})
    assert old == new
    assert old.rope_scaling == Llama3Scaling(factor=8.0, original_max_positions=32)
    assert _read(rope_scaling={"type": "linear", "factor": 2}).rope_scaling == LinearScaling(factor=2.0)
    assert _read(rope_parameters={"rope_type": "default", "rope_theta": 7.0}).rope_theta == 7.0


def test_yarn_falls_back_on_the_context_of_the_file() -> None:
    scaling = _read(rope_scaling={"type": "yarn", "factor": 4.0}).rope_scaling
    assert scaling == YarnScaling(factor=4.0, original_max_positions=64)
    assert _read(rope_scaling={"type": "yarn", "factor": None, "original_max_position_embeddings": 16}).rope_scaling == YarnScaling(
        factor=4.0, original_max_positions=16
    )


@pytest.mark.parametrize(
    ("changes", "key", "advice"),
    [
        ({"model_type": "gpt2"}, "model_type", "qwen3"),
        ({"model_type": "absent"}, "model_type", "required"),
        ({"hidden_size": "absent"}, "hidden_size", "required"),
        ({"hidden_size": "32"}, "hidden_size", "'32'"),
        ({"vocab_size": 10**18}, "vocab_size", "less than"),
        ({"num_hidden_layers": 0}, "num_hidden_layers", "greater than 0"),
        ({"rms_norm_eps": float("nan")}, "rms_norm_eps", "nan"),
        ({"num_key_value_heads": 3}, "num_kv_heads", "multiple"),
        ({"head_dim": 7}, "config.json", "multiple of 2"),
        ({"hidden_act": "gelu"}, "hidden_act", "'gelu'"),
        ({"auto_map": {"AutoModel": "evil.Model"}}, "auto_map", "never run"),
        ({"quantization_config": {"bits": 4}}, "quantization_config", "bfloat16"),
        ({"use_sliding_window": True}, "sliding_window", "not supported"),
        ({"model_type": "mistral"}, "sliding_window", "not supported"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "layer_types", "full_attention"),
        ({"partial_rotary_factor": 0.5}, "partial_rotary_factor", "not supported"),
        ({"model_type": "llama", "sliding_window": None, "pretraining_tp": 2}, "pretraining_tp", "set it to 1"),
        ({"rope_theta": -1.0}, "rope_theta", "-1.0"),
        ({"rope_parameters": {"rope_type": "default", "rope_theta": "big"}}, "rope_theta", "'big'"),
        ({"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}}, "partial_rotary_factor", "not supported"),
        ({"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, "rope_type", "'dynamic'"),
        ({"rope_scaling": {"rope_type": ["yarn"]}}, "rope_type", "not supported"),
        ({"rope_scaling": {"rope_type": "linear"}}, "factor", "None"),
        ({"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 4, "high_freq_factor": 4}}, "high_freq_factor", "4"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 2.0, "mscale": 1.0}}, "mscale", "attention_factor"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": 2.0, "truncate": False}}, "truncate", "not supported"),
        ({"rope_scaling": {"rope_type": "yarn", "factor": True}}, "factor", "True"),
    ],
)
def test_what_cannot_be_computed_is_refused_in_one_line(changes: dict[str, Any], key: str, advice: str) -> None:
    with pytest.raises(DataError) as refusal:
        _read(**changes)
    message = str(refusal.value)
    assert message.startswith("folder/config.json: ")
    assert key in message
    assert advice in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"{", "not valid JSON"),
        (b"\xff\xfe\x00", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"vocab_size": ' + b"9" * 5000 + b"}", "not valid JSON"),
        (b"[]", "JSON object"),
        (None, "no such file"),
    ],
)
def test_a_broken_file_is_refused_in_one_line(content: bytes | None, words: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(DataError, match=words) as refusal:
        load_config(tmp_path)
    assert str(tmp_path) in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(
    "features",
    [
        {"qk_norm": True, "attention_bias": True},
        {"qk_norm": True, "mlp_bias": True},
        {"qk_norm": False, "output_bias": True},
        {"qk_norm": False, "attention_bias": True, "mlp_bias": True},
        {"qk_norm": False, "hidden_size": 33},
    ],
)
def test_a_shape_of_no_family_is_not_written(features: dict[str, Any]) -> None:
    config = SHAPES["qwen3"].model_copy(update=features)
    with pytest.raises(DataError, match="no Hugging Face family") as refusal:
        config_to_json(config, dtype="float32")
    assert "\n" not in str(refusal.value)


def test_end_tokens_are_a_number_or_a_list() -> None:
    written = [config_to_json(SHAPES["qwen3"], dtype="float32", eos_ids=ids)["eos_token_id"] for ids in ((), (3,), (3, 5))]
    assert written == [None, 3, [3, 5]]


def test_reading_a_shape_needs_no_torch() -> None:
    code = "import sys, reasonforge.models.hf_config; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
