"""Chat templates are rendered as transformers renders them.

`chat_templates/` holds templates of 15 model families, written for these tests after the families' documentation.
"""

from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateError

from crescent_lite.sampling.known_templates import KNOWN, template_text
from crescent_lite.sampling.template_program import FIXED_DATE, render

FAMILIES = sorted((Path(__file__).parent / "chat_templates").glob("*.jinja"))
SPECIAL = {"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"}

SYSTEM = {"role": "system", "content": "Be brief. 2 < 3 & 'x'"}
QUESTION = {"role": "user", "content": " What is 2 + 3?\n"}
REPLY = {"role": "assistant", "content": "<think>\n2 + 3\n</think>\n\nIt is 5.\n"}
AGAIN = {"role": "user", "content": "And 5 × 7 — “exactly”?"}
CONVERSATIONS = {
    "a question": [QUESTION],
    "a question with a system's turn": [SYSTEM, QUESTION],
    "a reply": [QUESTION, REPLY],
    "a second question": [QUESTION, REPLY, AGAIN],
    "a second reply, with a system's turn": [SYSTEM, QUESTION, REPLY, AGAIN, {**REPLY, "content": "35"}],
}
ARGUMENTS: tuple[dict[str, Any], ...] = (
    {},
    {"enable_thinking": False, "thinking": True, "reasoning_effort": "low", "date_string": "1 Jan 2030"},
)


def by_transformers(source: str, messages: list[dict[str, str]], arguments: dict[str, Any]) -> str:
    """The prompt by transformers, or why there is none. Its clock is set to the date that is fixed here."""
    from transformers.utils.chat_template_utils import render_jinja_template

    asks = messages[-1]["role"] == "user"
    variables = {"strftime_now": FIXED_DATE.strftime} | SPECIAL | arguments
    try:
        texts, _ = render_jinja_template(
            [messages], chat_template=source, add_generation_prompt=asks, tools=None, documents=None, **variables
        )
    except (TemplateError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return str(texts[0])


def here(source: str, messages: list[dict[str, str]], arguments: dict[str, Any]) -> str:
    """The prompt as this program renders it, or why there is none."""
    try:
        return render(source, SPECIAL | arguments, messages)
    except (TemplateError, TypeError) as error:
        return f"{type(error).__name__}: {error}"


@pytest.mark.parametrize("path", FAMILIES, ids=lambda path: path.stem)
def test_a_familys_template_is_rendered_as_by_transformers(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    prompts = set()
    for name, messages in CONVERSATIONS.items():
        for arguments in ARGUMENTS:
            prompt = here(source, messages, arguments)
            assert prompt == by_transformers(source, messages, arguments), (name, arguments)
            prompts.add(prompt)
    assert len(prompts) >= len(CONVERSATIONS) - 1  # Gemma 2 refuses both conversations with a system's turn
    assert QUESTION["content"].strip() in here(source, [QUESTION], {})


def test_there_are_fifteen_families() -> None:
    assert len(FAMILIES) == 15


@pytest.mark.parametrize("name", KNOWN)
def test_a_known_template_is_valid_for_transformers_and_has_every_turn_once(name: str) -> None:
    source = template_text(name)
    for messages in CONVERSATIONS.values():
        prompt = here(source, messages, {})
        assert prompt == by_transformers(source, messages, {})
        for message in messages:
            assert prompt.count(message["content"].strip()) == 1
    assert here(source, [QUESTION, REPLY], {}).startswith(here(source, [QUESTION], {}))


@pytest.mark.parametrize(
    ("name", "family"),
    [("chatml", "lfm2"), ("gemma", "gemma-3"), ("mistral", "mistral-v0.3"), ("phi3", "phi-3"), ("phi4", "phi-4")],
)
def test_a_known_template_wraps_a_question_as_its_family_does(name: str, family: str) -> None:
    of_family = (Path(__file__).parent / "chat_templates" / f"{family}.jinja").read_text(encoding="utf-8")
    for messages in ([QUESTION], [SYSTEM, QUESTION]):
        prompt = here(of_family, messages, {})
        assert here(template_text(name), messages, {}) == (prompt.removeprefix("<s>") if name == "chatml" else prompt)


@pytest.mark.parametrize(
    "source",
    [
        "{{ messages[0] | tojson }}",
        "{{ {'b': 1, 'a': 'é < “&”', 'c': [1.5, none, true]} | tojson }}",
        "{{ {'b': 1, 'a': 'é'} | tojson(ensure_ascii=true, indent=2, separators=(',', ': '), sort_keys=true) }}",
        "{{ {'b': {'c': 1}} | tojson(indent='\t') }}",
        "{{ nothing | tojson }}",
        "{{ tools is none }} {{ documents is none }} {{ tools is defined }} {{ strftime_now is defined }}",
        "{{ bos_token }} {{ unk_token }} {{ pad_token is defined }} {{ sep_token }}{{ add_generation_prompt }}",
        "{{ strftime_now('%Y-%m-%d') }} {{ strftime_now('%d %B %Y') }} {{ strftime_now('%A %b %-d %H:%M:%S') }}",
        "{% generation %}{{ messages[0].content }}{% endgeneration %}",
        "a {%- generation -%} {{ messages[0].content }} {%- endgeneration -%} b",
        "{% set x = 1 %}{% generation %}{% set x = 2 %}{{ x }}{% endgeneration %}{{ x }}",
        "{% for m in messages %}{% generation %}{{ loop.index }}{{ m.role }}{% endgeneration %}\n{% endfor %}",
        "{% generation %}{% generation %}x{% endgeneration %}{% endgeneration %}",
        "{% for i in range(9) %}{% if i<2 %}{% continue %}{% elif i>4 %}{% break %}{% endif %}{{ i }}{% endfor %}",
        "{% set ns = namespace(n=0) %}{% for i in range(3) %}{% set ns.n = ns.n + i %}{% endfor %}{{ ns.n }}",
        "  {% if true %}\n  x\n  {% endif %}\n  y\n",
        "{{ raise_exception('roles must alternate') }}",
        "{{ messages.append(1) }}",
        "{{ messages | map(attribute='content') | join('|') }}{{ '%s' % 3 }}{{ 'a\\nb'.split('\\n') }}",
        "{{ enable_thinking }}{{ thinking is true }}{{ reasoning_effort | default('medium') }}",
    ],
)
def test_a_template_finds_what_transformers_offers(source: str) -> None:
    for arguments in ARGUMENTS:
        assert here(source, [QUESTION], arguments) == by_transformers(source, [QUESTION], arguments)


def test_the_clock_of_templates_stands_still() -> None:
    assert render("{{ strftime_now('%Y-%m-%d') }}", {}, [QUESTION]) == "2024-07-26"


@pytest.mark.slow
def test_a_tokenizer_passes_the_special_tokens_that_it_has() -> None:
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({"<unk>": 0}, "<unk>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, **SPECIAL)
    names = [f"{name}_token" for name in ("bos", "eos", "unk", "sep", "pad", "cls", "mask")]
    source = "".join(f"{name}: {{{{ {name} }}}} {{{{ {name} is defined }}}}\n" for name in names)
    text = tokenizer.apply_chat_template([QUESTION], chat_template=source, tokenize=False)
    assert text == here(source, [QUESTION], {})
