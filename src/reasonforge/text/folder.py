"""The tokenizer files of a checkpoint folder in the Hugging Face layout, read and written without ``transformers``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import AddedToken
from tokenizers import Tokenizer as Backend

from reasonforge.core.errors import DataError
from reasonforge.core.files import write_atomic

_MAX_FILE_BYTES = 256 << 20
"""Larger than any vocabulary in use; a bigger file is not a tokenizer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenizerFolder:
    """What the files say."""

    backend: Backend
    eos: str | None
    bos: str | None
    pad: str | None
    adds_bos: bool
    """Sequences start with ``bos`` unless a chat template takes care of it."""
    stop_ids: tuple[int, ...]
    """Ids after which generation ends, as the checkpoint's authors list them."""
    chat_template: str | None


def read_folder(path: Path) -> TokenizerFolder:
    """Read ``tokenizer.json`` and the files beside it; raise a one-line ``DataError`` that names the file that is wrong."""
    if not path.is_dir():
        raise DataError(f"{path}: not a folder; give the folder that holds tokenizer.json")
    config = _read_json(path / "tokenizer_config.json")
    special = _read_json(path / "special_tokens_map.json")
    generation = _read_json(path / "generation_config.json")
    backend = _read_backend(path / "tokenizer.json")
    _add_listed_tokens(backend, config, path / "tokenizer_config.json")
    bos = _token(config, special, "bos_token")
    stop_ids = _stop_ids(generation, path / "generation_config.json")
    eos = _token(config, special, "eos_token")
    if eos is None and stop_ids:
        eos = backend.id_to_token(stop_ids[0])
    return TokenizerFolder(
        backend=backend,
        eos=eos,
        bos=bos,
        pad=_token(config, special, "pad_token"),
        adds_bos=_adds_bos(backend, bos, config),
        stop_ids=stop_ids,
        chat_template=_chat_template(path, config),
    )


def write_folder(path: Path, folder: TokenizerFolder) -> None:
    """Write the files; each appears whole or not at all."""
    path.mkdir(parents=True, exist_ok=True)
    named = {"bos_token": folder.bos, "eos_token": folder.eos, "pad_token": folder.pad}
    special = {name: token for name, token in named.items() if token is not None}
    config: dict[str, Any] = {
        # The generic class takes everything from tokenizer.json; a model's own class would rebuild its rules from memory.
        "tokenizer_class": "PreTrainedTokenizerFast",
        **special,
        "clean_up_tokenization_spaces": False,
        "model_max_length": 10**30,  # the "no limit" of this format; the model's own config knows the context
    }
    if folder.bos is not None:
        config["add_bos_token"] = folder.adds_bos
    if folder.chat_template is not None:
        config["chat_template"] = folder.chat_template
    write_atomic(path / "tokenizer.json", folder.backend.to_str(pretty=True).encode())
    _write_json(path / "tokenizer_config.json", config)
    _write_json(path / "special_tokens_map.json", special)
    if folder.stop_ids:
        # Where other engines look for the ids that end a completion.
        _write_json(path / "generation_config.json", {"eos_token_id": list(folder.stop_ids)})
    # A file left by an earlier tokenizer in this folder would win over the template written above.
    (path / "chat_template.jinja").unlink(missing_ok=True)


def _read_backend(path: Path) -> Backend:
    text = _read_text(path)
    if text is None:
        raise DataError(f"{path}: no such file; only tokenizers in the tokenizer.json format can be read")
    try:
        return Backend.from_str(text)
    except Exception as error:  # the library raises bare Exception
        raise DataError(f"{path}: not a tokenizer: {_first_line(error)}") from error


def _read_text(path: Path) -> str | None:
    """Return a file's text; None = there is no such file."""
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise DataError(f"{path}: {path.stat().st_size} bytes is too large for a tokenizer file")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: not UTF-8 (byte {error.start})") from error
    except OSError as error:
        raise DataError(f"{path}: cannot read: {error.strerror}") from error


def _read_json(path: Path) -> dict[str, Any]:
    text = _read_text(path)
    if text is None:
        return {}
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {_first_line(error)}") from error
    if not isinstance(content, dict):
        raise DataError(f"{path}: a JSON object is needed, found {type(content).__name__}")
    return content


def _write_json(path: Path, content: dict[str, Any]) -> None:
    write_atomic(path, (json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def _token(config: dict[str, Any], special: dict[str, Any], name: str) -> str | None:
    """Return a named token; the files write it as a string or as an object with ``content``."""
    for source in (config, special):
        value = source.get(name)
        if isinstance(value, dict):
            value = value.get("content")
        if isinstance(value, str):
            return value
    return None


def _stop_ids(generation: dict[str, Any], path: Path) -> tuple[int, ...]:
    value = generation.get("eos_token_id")
    ids = [] if value is None else value if isinstance(value, list) else [value]
    if not all(type(token_id) is int and token_id >= 0 for token_id in ids):
        raise DataError(f"{path}: eos_token_id: {value!r} is not a token id")
    return tuple(ids)


def _add_listed_tokens(backend: Backend, config: dict[str, Any], path: Path) -> None:
    """Add the tokens that only the configuration lists (older exports), each under the id that it states."""
    listed = config.get("added_tokens_decoder")
    if not isinstance(listed, dict):
        return
    for key in sorted(listed, key=lambda key: int(key) if str(key).isdecimal() else -1):
        entry = listed[key]
        content = entry.get("content") if isinstance(entry, dict) else None
        if not str(key).isdecimal() or not isinstance(content, str) or not content:
            raise DataError(f"{path}: added_tokens_decoder: {key!r} is not a token")
        if backend.token_to_id(content) is None:
            backend.add_tokens([AddedToken(content, special=bool(entry.get("special")), normalized=bool(entry.get("normalized")))])
        if backend.token_to_id(content) != int(key):
            raise DataError(f"{path}: added_tokens_decoder: {content!r} should be id {key} but is {backend.token_to_id(content)}")


def _adds_bos(backend: Backend, bos: str | None, config: dict[str, Any]) -> bool:
    if bos is None:
        return False
    stated = config.get("add_bos_token")
    if isinstance(stated, bool):
        return stated
    # Not stated: the post-processor tells by what it makes of an empty text.
    return backend.token_to_id(bos) in backend.encode("").ids


def _chat_template(path: Path, config: dict[str, Any]) -> str | None:
    separate = _read_text(path / "chat_template.jinja")
    if separate is not None:
        return separate
    template = config.get("chat_template")
    if isinstance(template, list):  # several named templates
        named = {entry.get("name"): entry.get("template") for entry in template if isinstance(entry, dict)}
        template = named.get("default")
    if template is not None and not isinstance(template, str):
        raise DataError(f"{path / 'tokenizer_config.json'}: chat_template: text is needed, found {type(template).__name__}")
    return template


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
