"""Finds out which kind of server answers at an address, by asking it once.

Knows what tells the kinds apart; draws nothing. Example:
    await recognise(read_address("http://localhost:11434"), http, model, "qwen2.5") -> an OllamaServer
"""

from __future__ import annotations

from typing import Any

import httpx

from crescent_lite.errors import ModelError
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.servers.address import Address
from crescent_lite.sampling.servers.connection import Connection
from crescent_lite.sampling.servers.llama_server import LlamaServer
from crescent_lite.sampling.servers.ollama import OllamaServer
from crescent_lite.sampling.servers.openai_style import OpenAiServer
from crescent_lite.sampling.servers.server import NO_SERVER, Server
from crescent_lite.sampling.servers.sglang import SglangServer
from crescent_lite.sampling.servers.vllm import VllmServer

OF_LLAMA_CPP = ("llamacpp", "llama-swap")
"""Who owns the models that llama-server and llama-swap list."""
KINDS: dict[str, type[OpenAiServer]] = {"vllm": VllmServer, "sglang": SglangServer}
"""The kinds with OpenAI-style completions that can do more, by who owns the models that they list."""


async def recognise(address: Address, http: httpx.AsyncClient, model: GgufModel, model_name: str) -> Server:
    """The server at an address, not checked yet. Raises ModelError, NetworkError or ServerTrouble.

    An address with /v1 asks for OpenAI-style completions, which a llama-server has too.
    """
    at_root = Connection(http, address.root)
    version = _object(await at_root.ask("GET", "/api/version"))
    if set(version) == {"version"}:
        return OllamaServer(at_root, model, model_name)
    if address.ends_with_v1:
        connection = Connection(http, address.root, f"{address.root}/v1")
        return (await _kind(connection, await _owners(connection)))(connection, model, model_name)
    response = await at_root.ask("GET", "/props", model=model_name)
    if response.status_code in (401, 403):
        at_root.json_of(response)
    properties = _object(response)
    if "total_slots" in properties or properties.get("role") == "router":
        return LlamaServer(at_root, model, model_name)
    for base in (f"{address.root}/v1", address.root):
        connection = Connection(http, address.root, base)
        owners = await _owners(connection)
        if owners & set(OF_LLAMA_CPP):
            return LlamaServer(at_root, model, model_name)
        if owners:
            return (await _kind(connection, owners))(connection, model, model_name)
    raise ModelError(f"{address.root}: {NO_SERVER}")


async def _owners(connection: Connection) -> set[str]:
    """Who owns the models that a server lists; empty if it lists none. Raises NetworkError for a wrong key."""
    response = await connection.ask("GET", "/models")
    if response.status_code in (401, 403):
        connection.json_of(response)
    listed = _object(response).get("data")
    return (
        {str(each.get("owned_by")) for each in listed if isinstance(each, dict)}
        if isinstance(listed, list)
        else set()
    )


async def _kind(connection: Connection, owners: set[str]) -> type[OpenAiServer]:
    """The kind of an OpenAI-style server, by its models' owner or, where a proxy renames them, by its own paths."""
    for owner, kind in KINDS.items():
        if owner in owners:
            return kind
    if owners & set(OF_LLAMA_CPP):
        return OpenAiServer
    if set(_object(await connection.ask("GET", "/version", at_root=True))) == {"version"}:
        return VllmServer
    if "model_path" in _object(await connection.ask("GET", "/get_model_info", at_root=True)):
        return SglangServer
    return OpenAiServer


def _object(response: httpx.Response) -> dict[str, Any]:
    """The JSON object in a successful response; an empty one for any other."""
    try:
        body = response.json() if response.status_code == 200 else {}
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
