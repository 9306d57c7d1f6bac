"""The servers that can complete prompts, one module for each kind, told apart once when a sampler is opened.

`recognise` asks an address what it is; `LlamaServer`, `OpenAiServer` and `OllamaServer` are the kinds. Knows HTTP and
the dialects, not the order of the work or retries. Prompts are raw: they are wrapped in the local GGUF's chat
template, so a server adds nothing of its own. Everything that a server sends is untrusted.
Example: server = await recognise(read_address("gpu1:8080"), http, model, model_name="")
"""
