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

OF_LLAMA_CPP = ("llamacpp", "llama-swap")
"""Who owns the models that llama-server and llama-swap list."""


async def recognise(address: Address, http: httpx.AsyncClient, model: GgufModel, model_name: str) -> Server:
    """The server at an address, not checked yet. Raises ModelError, NetworkError or ServerTrouble.

    An address with /v1 asks for OpenAI-style completions, which a llama-server has too.
    """
    at_root = Connection(http, address.root)
    version = _object(await at_root.ask("GET", "/api/version"))
    if set(version) == {"version"}:
        return OllamaServer(at_root, model, model_name)
    if address.ends_with_v1:
        return OpenAiServer(Connection(http, address.root, f"{address.root}/v1"), model, model_name)
    response = await at_root.ask("GET", "/props", model=model_name)
    if response.status_code in (401, 403):
        at_root.json_of(response)
    properties = _object(response)
    if "total_slots" in properties or properties.get("role") == "router":
        return LlamaServer(at_root, model, model_name)
    for base in (f"{address.root}/v1", address.root):
        connection = Connection(http, address.root, base)
        response = await connection.ask("GET", "/models")
        if response.status_code in (401, 403):
            connection.json_of(response)
        listed = _object(response).get("data")
        if isinstance(listed, list) and listed:
            owners = {str(each.get("owned_by")) for each in listed if isinstance(each, dict)}
            if owners & set(OF_LLAMA_CPP):
                return LlamaServer(at_root, model, model_name)
            return OpenAiServer(connection, model, model_name)
    raise ModelError(f"{address.root}: {NO_SERVER}")


def _object(response: httpx.Response) -> dict[str, Any]:
    """The JSON object in a successful response; an empty one for any other."""
    try:
        body = response.json() if response.status_code == 200 else {}
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}
