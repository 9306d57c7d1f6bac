"""Several workers as one sampler: processes on this machine, or Ray actors on many.

Owns the order of the work and what becomes of a worker that ends: its samples go to the others, and another one takes
its place. A question's samples go to one worker, which reads their prompt once. Each sample has the seed that it has
in one process; only the batches differ. Example:
    sampler = PooledSampler(Path("model.gguf"), LocalHands(2, config), config)
    for completion in sampler.sample(requests): ...
"""

from __future__ import annotations

import dataclasses
import logging
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from crescent_lite.config import ModelConfig, SamplingConfig
from crescent_lite.errors import CrescentError, MissingPackageError, ModelError, OutOfMemoryError
from crescent_lite.records import Completion, Request
from crescent_lite.sampling.chat import ChatTemplate
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.memory_plan import DEFAULT_SLOTS_ON_GPU
from crescent_lite.sampling.protocol import SamplerUsage, Watch
from crescent_lite.sampling.trying import require_loadable
from crescent_lite.sampling.workers.messages import Message, completion_of, error_of, request_fields, usage_of
from crescent_lite.sampling.workers.worker import Hands, Worker, WorkerEnded

MOST_DEATHS = 3
"""How often a worker may end in a row without one completion, before the run does."""
STEP_SECONDS = 0.2
"""Time within which a request to stop is noticed while workers are waited for."""

log = logging.getLogger(__name__)


class _Place:
    """The place of one worker: the worker that is there, and what it owes."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.worker: Worker | None = None
        self.owed: dict[str, Request] = {}
        """Requests whose samples have not all arrived, with the missing indexes, by key."""
        self.deaths = 0
        """Workers that ended here in a row without one completion."""
        self.usage = SamplerUsage()
        """What the present worker has done."""

    @property
    def samples(self) -> int:
        """Samples that the worker owes."""
        return sum(len(request.sample_indexes) for request in self.owed.values())


def hands_of(config: SamplingConfig, model: Path) -> Hands:
    """Where the workers come from that the settings ask for. Raises CrescentError."""
    if not config.ray:
        from crescent_lite.sampling.workers.local import LocalHands

        return LocalHands(config)
    try:
        from crescent_lite.sampling.workers.ray_actors import RayHands
    except ImportError as error:
        raise MissingPackageError(f"sampling.ray needs: pip install 'crescent-lite[ray]' ({error})") from None
    return RayHands(config, model)


class PooledSampler:
    """A Sampler whose samples are drawn by workers. Tokens and chat template come from the local GGUF."""

    def __init__(
        self, model_path: Path, hands: Hands, config: SamplingConfig, model: ModelConfig | None = None
    ) -> None:
        """Start the workers and wait until each has loaded the model. Raises CrescentError."""
        self._path, self._hands = model_path, hands
        self._owed_samples = (config.slots or DEFAULT_SLOTS_ON_GPU) * 5 // 4
        """Samples below which a worker gets more: its slots, and some to fill those that become free."""
        model = model or ModelConfig()
        self._opened = {"model": str(model_path.absolute()), "model_config": dataclasses.asdict(model)}
        self.usage = SamplerUsage()
        """What all workers have done; `seconds` is the time that was spent waiting for them."""
        self._places = [_Place(number) for number in range(hands.count)]
        self._effective: Mapping[str, int | float] = {}
        """What a worker says about its settings."""
        self._adapter: Path | None = None
        self._call = self._turn = 0
        """Numbers of the latest call of `sample` and `use_adapter`; answers to earlier ones are dropped."""
        if not config.ray:
            require_loadable(model_path)
        self._model = GgufModel(model_path, vocabulary_only=True)
        try:
            self._chat = ChatTemplate(self._model, model)
            for place in self._places:
                place.worker = hands.start(place.number, self._opened)
            problems = [self._await(place, {"opened": True}) for place in self._places]
            if problem := next(filter(None, problems), None):
                raise problem
        except BaseException:
            self.close()
            raise

    @property
    def effective(self) -> Mapping[str, int | float]:
        """What the automatic settings came to: see `Sampler.effective`. Slots and memory are of one worker."""
        return {**self._effective, "sampling.workers": len(self._places)} if self._effective else {}

    def sample(self, requests: Iterable[Request], watch: Watch | None = None) -> Iterator[Completion]:
        """Every sample of every request, as it finishes: see `Sampler.sample`."""
        source = requests if isinstance(requests, deque) else deque(requests)
        waiting: deque[Request] = deque()
        self._call += 1
        try:
            while source or waiting or any(place.owed for place in self._places):
                self._take(source, waiting)
                self._hand_out(waiting)
                for place, message in self._messages(waiting):
                    if completion := self._arrived(place, message):
                        yield completion
        finally:
            for place in self._places:
                if place.owed and place.worker:
                    place.worker.send({"abandon": self._call})
                place.owed.clear()

    def use_adapter(self, path: Path | None) -> None:
        """Put an adapter on the base at every worker. Raises ModelError."""
        if path == self._adapter:
            return
        before, self._adapter, self._turn = self._adapter, path, self._turn + 1
        for place in self._places:
            self._put_on(place)
        problems = [self._await(place, {"adapted": self._turn}) for place in self._places]
        if problem := next(filter(None, problems), None):
            self._adapter = before  # each worker has kept it
            raise problem

    def encode_example(self, user: str, solution: str, drawn: Sequence[int] | None = None) -> tuple[list[int], int]:
        """The tokens of prompt + solution + end of turn: see `Sampler.encode_example`."""
        return self._chat.encode_example(user, solution, drawn)

    def close(self) -> None:
        """End the workers and free the vocabulary."""
        for place in self._places:
            if place.worker:
                place.worker.close()
                place.worker = None
        self._hands.close()
        self._model.close()

    # ── the work ─────────────────────────────────────────────────────────────────────────────────────────────

    def _take(self, source: deque[Request], waiting: deque[Request]) -> None:
        """Take new requests. They go first, because their prompts are probably in a worker's cache."""
        arrived = []
        while source:
            if (request := source.popleft()).sample_indexes:
                arrived.append(request)
        waiting.extendleft(reversed(arrived))

    def _hand_out(self, waiting: deque[Request]) -> None:
        """Hand requests to the workers that owe the fewest samples, as long as their slots need them."""
        while waiting:
            place = min((place for place in self._places if place.worker), key=lambda each: each.samples)
            if place.samples >= self._owed_samples:
                return
            request = waiting.popleft()
            place.owed[request.key] = request
            _worker(place).send({"sample": request_fields(request), "call": self._call})

    def _messages(self, waiting: deque[Request]) -> Iterator[tuple[_Place, Message]]:
        """The messages that arrive next. The work of a worker that has ended is put back into `waiting`."""
        workers = [place.worker for place in self._places if place.worker]
        began = time.perf_counter()
        self._hands.wait(workers, STEP_SECONDS)
        self.usage.seconds += time.perf_counter() - began
        for place in self._places:
            try:
                messages = place.worker.take() if place.worker else []
            except WorkerEnded as ended:
                waiting.extendleft(place.owed.values())
                self._replace(place, ended)
                continue
            for message in messages:
                yield place, message

    def _arrived(self, place: _Place, message: Message) -> Completion | None:
        """The completion in a message, if it is one that is owed. Raises the error in a message."""
        if message.get("of") in ({"call": self._call}, {"adapted": self._turn}, {"opened": True}):
            raise error_of(message["error"])
        if "completion" not in message:
            return None  # a worker that was started meanwhile has opened its model
        done = dataclasses.replace(usage_of(message["usage"]), seconds=0.0, decode_seconds=0.0)  # they overlap
        self.usage, place.usage = self.usage + (done - place.usage), done
        self._effective = message["effective"]
        completion = completion_of(message["completion"])
        request = place.owed.get(completion.key)
        if message["call"] != self._call or request is None or completion.sample_index not in request.sample_indexes:
            return None  # it was abandoned
        place.deaths = 0
        missing = tuple(index for index in request.sample_indexes if index != completion.sample_index)
        if missing:
            place.owed[completion.key] = dataclasses.replace(request, sample_indexes=missing)
        else:
            del place.owed[completion.key]
        return completion

    def _await(self, place: _Place, answer: Message) -> CrescentError | None:
        """Wait until a worker has answered, and return the error that it met. What it still sends of an abandoned
        call is dropped."""
        while place.worker:
            self._hands.wait([place.worker], STEP_SECONDS)
            try:
                messages = place.worker.take()
            except WorkerEnded as ended:
                self._replace(place, ended)  # the new one is opened and gets the adapter
                continue
            for message in messages:
                if message == answer:
                    return None
                if message.get("of") == answer:
                    return error_of(message["error"])
        return None

    def _put_on(self, place: _Place) -> None:
        """Have a worker put the present adapter on its base."""
        if place.worker:
            place.worker.send({**place.worker.adapter_message(self._adapter), "turn": self._turn})

    def _replace(self, place: _Place, ended: WorkerEnded) -> None:
        """Start another worker in the place of one that has ended, or do without. Raises an error if none is left."""
        place.deaths += 1
        place.usage = SamplerUsage()
        place.owed.clear()
        _worker(place).close()
        place.worker = None
        if place.deaths < MOST_DEATHS:
            log.warning("%s; its work goes to the others, and another one is started", ended)
            place.worker = self._hands.start(place.number, self._opened)
            self._put_on(place)
            return
        self.usage.lost_servers += 1
        if not any(place.worker for place in self._places):
            raise (OutOfMemoryError if ended.was_killed else ModelError)(
                f"{ended}, {MOST_DEATHS} times in a row; finished work is stored: lower sampling.workers or "
                "sampling.slots, then run the same command again"
            )
        log.warning("%s, %d times in a row; the other workers do its work", ended, MOST_DEATHS)


def _worker(place: _Place) -> Worker:
    assert place.worker
    return place.worker
