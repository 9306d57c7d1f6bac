"""Makes a server's reply the one that the sampler in this process would have drawn: its thoughts, and where it ends.

A server cuts at a stop text wherever it stands, and leaves out the opening tag that the prompt ended with. Knows
servers and texts; owns no retries. Example:
    await complete_in_full(server, prompt, generation, seed=7, count=1)
        -> [ServerReply(text="<think>\n6*7</think> 42", ...)]
"""

from __future__ import annotations

from dataclasses import replace

from crescent_lite.records import Generation
from crescent_lite.sampling.reply import cut_at_stop, says_something
from crescent_lite.sampling.servers.server import Prompt, Server, ServerReply


async def complete_in_full(
    server: Server, prompt: Prompt, generation: Generation, seed: int, count: int
) -> list[ServerReply]:
    """Complete a prompt `count` times: see `Server.complete`. Each reply is the whole one."""
    replies = await server.complete(prompt, generation, seed, count)
    return [await _in_full(server, prompt, generation, seed + number, reply) for number, reply in enumerate(replies)]


async def _in_full(
    server: Server, prompt: Prompt, generation: Generation, seed: int, reply: ServerReply
) -> ServerReply:
    """The whole reply. Where a stop text left nothing, or only thoughts, ask again without it and cut here."""
    whole = _with_opening(reply, prompt.opening)
    blocks = tuple(text for text in generation.stop if text.startswith("\n"))
    if blocks and reply.finish_reason == "stop" and not says_something(whole):
        others = tuple(text for text in generation.stop if text not in blocks)
        (reply,) = await server.complete(prompt, replace(generation, stop=others), seed)
        whole, ended = cut_at_stop(_with_opening(reply, prompt.opening), generation.stop)
        return replace(reply, text=whole, finish_reason="stop" if ended else reply.finish_reason)
    return replace(reply, text=whole)


def _with_opening(reply: ServerReply, opening: str) -> str:
    """The text behind the opening tag, unless the prompt was refused or the server has put the tag there."""
    is_refused = reply.finish_reason == "context" and not reply.tokens
    has_it = reply.text.lstrip().startswith(opening.strip())
    return reply.text if is_refused or has_it else opening + reply.text
