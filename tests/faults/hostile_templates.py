"""Chat templates that loop, grow, raise or try to leave the sandbox, as a GGUF of somebody else may contain them.

Example: TEMPLATES[4]    # a loop of 10^9 turns
"""

from __future__ import annotations

import random

TEMPLATES = (
    "",
    " ",
    "{{ messages[0].content }}",
    "{% for m in messages %}{{ m.content }}{% endfor %}{% for m in messages %}{{ m.content }}{% endfor %}",
    "{% for i in range(10**9) %}{{ messages[0].content }}{% endfor %}",
    "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}{{ messages[0].content }}",
    "{% set ns = namespace(x='a') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{% endfor %}{{ ns.x }}",
    "{% set x = 'a' * 10**10 %}{{ x }}",
    "{{ 9**9**9 }}",
    "{{ 'a' | center(10**10) }}",
    "{{ '%999999999s' % 1 }}{{ messages[0].content }}",
    "{{ '{:>9999999999}'.format(1) }}",
    "{{ messages[0].content * 1000000 }}",
    "{% set l = [1] * 10**8 %}{{ l | length }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}{{ messages[0].content }}",
    "{{ cycler.__init__.__globals__.os.system('touch /tmp/never') }}",
    "{{ self.__init__.__globals__ }}",
    "{{ lipsum.__globals__['os'].popen('id').read() }}",
    "{{ messages.__class__.__base__.__subclasses__()[0] }}",
    "{{ raise_exception.__globals__ }}",
    "{{ strftime_now.__self__ }}",
    "{{ strftime_now('%' * 100000) }}",
    "{{ (messages[0] | tojson).__init__.__globals__ }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}{{ os }}",
    "{% extends 'x' %}",
    "{{ raise_exception('no') }}",
    "{{ raise_exception('\x1b]52;c;aGk=\x07' * 1000) }}",
    "{{ undefined_name.attribute }}",
    "{{ 1 / 0 }}",
    "{% macro f(x) %}{{ f(x) }}{% endmacro %}{{ f(1) }}",
    "{% for m in messages recursive %}{{ loop([m]) }}{% endfor %}",
    "{{ messages[0].content[::-1] }}",
    "{{ '\\ud800' }}{{ messages[0].content }}",
    "{{ messages[0].content }}\x00\x1b[2J",
    "{{ " + "(" * 2000 + "1" + ")" * 2000 + " }}",
    "{% if 1 %}" * 500 + "{% endif %}" * 500,
    "{{ messages[0].content" + " | upper | lower" * 2000 + " }}",
    "{{ messages[0].content }}" + "x" * 200_000,
    "{{ messages | map('attr', '__class__') | list }}",
    "{{ messages[0].content | replace('', 'x' * 10000) | replace('', 'y' * 10000) }}",
    "{{ messages[0].content | wordwrap(1) | indent(10**9) }}",
    "{{ dict.__subclasses__ }}{{ namespace.__init__.__globals__ }}",
    "{% set _ = messages.append(1) %}{{ messages[0].content }}",
    "{% set _ = messages[0].update({'content': 'x'}) %}{{ messages[0].content }}",
    "{{ joiner.__call__.__globals__ }}{{ range(10**12) | sum }}",
    "{{ range(99999) | map('string') | map('upper') | join | length }}" * 40,
    "{% filter upper %}{{ messages[0].content }}{% endfilter %}",
    "{{ messages[0].content | xmlattr }}{% trans %}x{% endtrans %}",
    "{% autoescape true %}{{ messages[0].content }}{% endautoescape %}",
    "{% generation %}{{ messages[0].content }}",
    "not a template {{",
    "{%",
    "{#",
)
NAMES = ("messages", "self", "cycler", "range", "dict", "bos_token", "loop", "raise_exception", "namespace")
ATTRIBUTES = ("__class__", "__globals__", "__init__", "__subclasses__", "gi_frame", "f_back", "mro", "format_map")
ACCESS = (".{}", '|attr("{}")', '["{}"]')


def mixed_template(chance: random.Random) -> str:
    """A template of pieces of hostile ones, and of attributes that lead out of the sandbox."""
    pieces = [chance.choice(TEMPLATES)[: chance.choice((20, 60, 5000))] for _ in range(chance.randint(1, 4))]
    for _ in range(chance.randint(0, 3)):
        path = [chance.choice(ACCESS).format(chance.choice(ATTRIBUTES)) for _ in range(chance.randint(1, 4))]
        pieces.append("{{ " + chance.choice(NAMES) + "".join(path) + " }}")
    chance.shuffle(pieces)
    return "".join(pieces)
