"""What a pool and its workers send each other: JSON objects, one a line between processes.

Plain data only: nothing that arrives is executed, and each field is read with its type. A message to a worker has one
of the fields `open`, `sample`, `adapter` and `abandon`; one from a worker `opened`, `completion`, `adapted`, `error`.
Example: request_of(request_fields(request)) == request
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from crescent_lite import errors
from crescent_lite.errors import CrescentError
from crescent_lite.records import Completion, Generation, Request
from crescent_lite.sampling.protocol import SamplerUsage

Message = dict[str, Any]


def request_fields(request: Request) -> Message:
    """A request as plain data."""
    return dataclasses.asdict(request)


def request_of(fields: Mapping[str, Any]) -> Request:
    """The request that was sent."""
    generation = dict(fields["generation"])
    generation["stop"] = tuple(generation["stop"])
    tuples = {name: tuple(fields[name]) for name in ("sample_indexes", "forced")}
    return Request(**{**fields, **tuples, "generation": Generation(**generation)})


def completion_fields(completion: Completion) -> Message:
    """A completion as plain data."""
    return dataclasses.asdict(completion)


def completion_of(fields: Mapping[str, Any]) -> Completion:
    """The completion that was sent."""
    ids = fields["token_ids"]
    return Completion(**{**fields, "token_ids": None if ids is None else tuple(ids)})


def usage_of(fields: Mapping[str, Any]) -> SamplerUsage:
    """The usage that was sent."""
    return SamplerUsage(**fields)


def error_fields(error: CrescentError) -> Message:
    """An error as plain data."""
    return {"class": type(error).__name__, "message": str(error)}


def error_of(fields: Mapping[str, Any]) -> CrescentError:
    """The error that was sent; a plain CrescentError if this version does not know its class."""
    kind = getattr(errors, str(fields["class"]), CrescentError)
    is_known = isinstance(kind, type) and issubclass(kind, CrescentError)
    return (kind if is_known else CrescentError)(str(fields["message"]))
