"""Several servers as one sampler. Each gets as many samples at a time as it accepts, so fast servers get more work.

Owns the order of the work, the retries and the list of working servers; knows no dialect. The samples of a request go
out together where one request to the server draws several. When a server fails, its
requests go to the others. When the last one fails, the run stops with an error that names it; stored work is kept.
A server that asks to be left alone gets nothing until then. What is noticed but ends nothing is a logging warning.
Example: ServerSampler(Path("model.gguf"), SamplingConfig(servers=("http://gpu1:8080", "http://gpu2:8080")))
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from crescent_lite.config import Config, ModelConfig, SamplingConfig
from crescent_lite.errors import CrescentError, NetworkError
from crescent_lite.records import Completion, Request
from crescent_lite.sampling.chat import ChatTemplate
from crescent_lite.sampling.gguf_model import GgufModel
from crescent_lite.sampling.protocol import Sampler, SamplerUsage, Watch
from crescent_lite.sampling.server_holds import Holds, Patience
from crescent_lite.sampling.server_limits import Limit, QueueLimit
from crescent_lite.sampling.server_replies import complete_in_full
from crescent_lite.sampling.server_retries import retried
from crescent_lite.sampling.servers.address import Address, read_address
from crescent_lite.sampling.servers.client import key_in, open_client
from crescent_lite.sampling.servers.connection import ServerBusy, ServerTrouble
from crescent_lite.sampling.servers.recognise import recognise
from crescent_lite.sampling.servers.server import Prompt, Server, ServerReply

T = TypeVar("T")

STEP_SECONDS = 0.2
"""Time within which a request to stop or to pause is noticed while servers are waited for."""
SILENT_SECONDS = 5.0
"""Time without any reply after which a request to pause no longer waits for the replies under way (guess)."""
QUEUE_SECONDS = 0.5
"""Time between two looks at a server's queue (guess)."""
PROBE = "What is 9 % of 1,234,567.89 km? Überprüfe: naïve café — 数学, алгебра; for(i=0;i<10;++i){x[i]+=y;}"
"""What a server is tried with before a run: a text that tokenizers split into different numbers of tokens."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Job:
    """Samples of one request that are asked for together."""

    request: Request
    indexes: tuple[int, ...]
    """The samples; at least one."""
    prompt: Prompt
    began: float = 0.0
    """When they were asked for; monotonic seconds."""

    def seed(self, number: int) -> int:
        """The seed of a sample by its place here: a request for several is made with the first one's seed."""
        return self.request.sample_seed(self.indexes[0]) + number

    def part(self, first: int, end: int | None = None) -> _Job:
        """Some of the samples, by their places."""
        return replace(self, indexes=self.indexes[first:end])


UnderWay = dict[Future[list[ServerReply]], tuple[Server, _Job]]
"""The jobs that servers are working on."""
Attend = Callable[[], object]
"""Called every STEP_SECONDS while all servers are left alone, as they asked, and in a wait for replies of which none
has come for SILENT_SECONDS. It may raise an exception to end the wait: the requests under way are then abandoned, and
drawn again later."""


def _nothing() -> None:
    """What is attended to by default while servers are waited for."""


class ServerSampler:
    """A Sampler that uses servers over HTTP. Tokens, chat template and examples come from the local GGUF.

    Requests run on an event loop in a separate thread, so that abandoned ones are cancelled at the servers too.
    """

    def __init__(
        self,
        model_path: Path,
        config: SamplingConfig,
        model: ModelConfig | None = None,
        *,
        patience: Patience | None = None,
        attend: Attend | None = None,
    ) -> None:
        """Connect to every server. Raises NetworkError, ModelError or ConfigError, naming the server."""
        addresses = [read_address(text) for text in config.servers]
        self._patience, self._attend = patience or Patience(), attend or _nothing
        timeout_seconds = min(config.server_timeout_seconds, self._patience.reply_seconds)
        http = open_client(addresses, key_in(config.server_key_variable), timeout_seconds)
        self.usage = SamplerUsage()
        self._path, self._config, self._model_config = model_path, config, model
        self._model = GgufModel(model_path, vocabulary_only=True)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="servers", daemon=True)
        self._thread.start()
        self._http = http
        self._local: Sampler | None = None
        self._adapter: Path | None = None
        self._holds = Holds(self._patience)
        self._heard_at = 0.0
        """When the latest reply came, or sampling began; monotonic seconds."""
        self._busy: Counter[Server] = Counter()
        """Samples under way at each server."""
        try:
            self._chat = ChatTemplate(self._model, model)
            self._probe = self._prompt(PROBE)
            self._servers = [self._connect(address) for address in addresses]
        except BaseException:
            self.close()
            raise

    @property
    def effective(self) -> Mapping[str, int | float]:
        """What the automatic settings came to: see `Sampler.effective`. Samples at a time are of all servers."""
        own = self._local.effective if self._local else {}
        return {**own, "sampling.server_requests": sum(server.limit.samples for server in self._servers)}

    def sample(self, requests: Iterable[Request], watch: Watch | None = None) -> Iterator[Completion]:
        """Every sample of every request, as it finishes: see `Sampler.sample`. Raises NetworkError or ModelError."""
        if self._adapter and self._local:
            yield from self._sample_locally(self._local, requests, watch)
            return
        source = requests if isinstance(requests, deque) else deque(requests)
        jobs: deque[_Job] = deque()
        under_way: UnderWay = {}
        self._heard_at = time.monotonic()
        reading = asyncio.run_coroutine_threadsafe(self._read_queues(), self._loop)
        try:
            while source or jobs or under_way:
                self._take(source, jobs)
                self._hand_out(jobs, under_way)
                for future in self._wait(under_way):
                    server, job = under_way.pop(future)
                    self._busy[server] -= len(job.indexes)
                    try:
                        replies = future.result()
                    except ServerTrouble as trouble:
                        jobs.appendleft(job)
                        self._leave_alone(server, trouble)
                        continue
                    yield from self._completions(server, job, replies)
                    if missing := job.indexes[len(replies) :]:
                        server.draws_several = False  # it ignores that several are asked for
                        jobs.appendleft(replace(job, indexes=missing))
        finally:
            reading.cancel()
            for future in under_way:
                future.cancel()
            self._busy.clear()

    def use_adapter(self, path: Path | None) -> None:
        """Put an adapter on the model: at every server, or in this process with `sampling.adapters_here`."""
        if path == self._adapter:
            return
        if not self._config.adapters_here:
            for server in self._servers:
                self._with_retries(server.url, server.use_adapter, path)
        elif path:
            from crescent_lite.sampling.llama import LlamaSampler

            self._local = self._local or LlamaSampler(self._path, self._config, self._model_config)
            self._local.use_adapter(path)
        self._adapter = path

    def require_adapters(self, trial: Path | None = None) -> None:
        """Raise ModelError if a server could not load an adapter that is trained later in the run.

        `trial` is a PEFT folder with an adapter like those that will be trained. Each server loads and unloads it.
        """
        for server in [] if self._config.adapters_here else self._servers:
            self._with_retries(server.url, server.require_adapters, trial)

    def encode_example(self, user: str, solution: str, drawn: Sequence[int] | None = None) -> tuple[list[int], int]:
        """The tokens of prompt + solution + end of turn: see `Sampler.encode_example`."""
        return self._chat.encode_example(user, solution, drawn)

    def close(self) -> None:
        """Close the connections and free the vocabulary."""
        if self._local:
            self._local.close()
        if not self._loop.is_closed():
            self._run(_cancel_others())
            self._run(self._http.aclose())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
        self._model.close()

    def _connect(self, address: Address) -> Server:
        server: Server = self._with_retries(
            address.root, recognise, address, self._http, self._model, self._config.server_model
        )
        self._with_retries(server.url, server.check, self._probe)
        _show_warnings(server)
        if self._config.server_requests:
            server.limit = Limit(self._config.server_requests)
        return server

    async def _read_queues(self) -> None:
        """Ask the servers that report their queue, again and again, how many requests wait there."""
        while True:
            await asyncio.sleep(QUEUE_SECONDS)
            for server in [server for server in self._servers if isinstance(server.limit, QueueLimit)]:
                with contextlib.suppress(CrescentError, ServerTrouble):  # a failure shows at the samples
                    if (waiting := await server.waiting_requests()) is not None:
                        server.limit.note_queue(waiting, self._busy[server])

    def _run(self, work: Coroutine[Any, Any, T], attend: Attend = _nothing) -> T:
        future, began = asyncio.run_coroutine_threadsafe(work, self._loop), time.monotonic()
        try:
            while not _first_done([future], QUEUE_SECONDS):
                if time.monotonic() - began > SILENT_SECONDS:
                    attend()
            return future.result()
        finally:
            future.cancel()  # no effect unless the wait was interrupted

    def _with_retries(self, url: str, ask: Callable[..., Awaitable[T]], *arguments: Any) -> T:
        """Ask a server something outside sampling, with retries. Raises NetworkError when all attempts fail."""
        holds = Holds(self._patience)
        while True:
            try:
                return self._run(retried(self._patience.attempts, ask, *arguments), self._attend)
            except ServerBusy as busy:
                if not holds.begin(url, url, busy):
                    raise NetworkError(f"{url}: {busy}; repeat the command after that") from None
            except ServerTrouble as trouble:
                raise NetworkError(f"{url}: {trouble}; start the server, or correct sampling.servers") from None
            self._let_pass(holds.seconds([url]))

    def _wait(self, under_way: UnderWay) -> set[Future[list[ServerReply]]]:
        """Wait for replies, until a busy server may be asked again, or until a limit may have changed.

        Returns the replies.
        """
        began, held = time.perf_counter(), self._holds.seconds(self._servers)
        try:
            if under_way:
                if time.monotonic() - self._heard_at > SILENT_SECONDS:
                    self._attend()
                done = _first_done(under_way, min(held or QUEUE_SECONDS, QUEUE_SECONDS))
                self._heard_at = time.monotonic() if done else self._heard_at
                return done
            self._let_pass(held)
            return set()
        finally:
            self.usage.seconds += time.perf_counter() - began

    def _let_pass(self, seconds: float) -> None:
        """Wait while no request is under way, and let the caller look after its own requests meanwhile."""
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            self._attend()
            time.sleep(min(left, STEP_SECONDS))

    def _leave_alone(self, server: Server, trouble: ServerTrouble) -> None:
        """Ask a busy server later, and do without one that failed. Raises NetworkError when none is left."""
        server.limit.note_overload()
        if not (isinstance(trouble, ServerBusy) and self._holds.begin(server, server.url, trouble)):
            self._lose(server, trouble)

    def _prompt(self, user: str, assistant_prefix: str = "") -> Prompt:
        tokens, text = self._chat.encode(user, assistant_prefix), self._chat.render(user, assistant_prefix)
        return Prompt(tokens, text, self._chat.opening.before(assistant_prefix))

    def _take(self, source: deque[Request], jobs: deque[_Job]) -> None:
        """Turn requests into jobs. The newest go first, because their prompts are probably in a server's cache."""
        arrived = []
        while source:
            request = source.popleft()
            if request.sample_indexes:
                prompt = self._prompt(request.user, request.assistant_prefix)
                arrived.append(_Job(request, request.sample_indexes, prompt))
        jobs.extendleft(reversed(arrived))

    def _hand_out(self, jobs: deque[_Job], under_way: UnderWay) -> None:
        """Hand jobs to servers with room for more, the least busy first. Other jobs wait here, not at a server."""
        willing = self._holds.without(self._servers)
        while jobs:
            job = jobs[0]
            roomy = [server for server in willing if self._has_room(server, job)]
            if not roomy:
                return
            server = min(roomy, key=lambda candidate: self._busy[candidate] / candidate.limit.samples)
            jobs.popleft()
            if not server.draws_several and len(job.indexes) > 1:
                jobs.appendleft(job.part(1))
                job = job.part(0, 1)
            self._busy[server] += len(job.indexes)
            job = replace(job, began=time.monotonic())
            asked = (server, job.prompt, job.request.generation, job.seed(0), len(job.indexes))
            work = retried(self._patience.attempts, complete_in_full, *asked)
            under_way[asyncio.run_coroutine_threadsafe(work, self._loop)] = (server, job)

    def _has_room(self, server: Server, job: _Job) -> bool:
        """Whether a server may get a job now. A job that is larger than the limit goes out alone, not in pieces."""
        size = len(job.indexes) if server.draws_several else 1
        return self._busy[server] == 0 or self._busy[server] + size <= server.limit.samples

    def _completions(self, server: Server, job: _Job, replies: Sequence[ServerReply]) -> Iterator[Completion]:
        """The completions of a job that has ended, and what it says about the server."""
        self._holds.end(server)
        _show_warnings(server)
        under_way, tokens = self._busy[server] + len(job.indexes), sum(reply.tokens for reply in replies)
        server.limit.note_reply(job.began, time.monotonic(), tokens, under_way)
        self.usage.tokens += tokens
        self.usage.prompt_tokens += replies[0].prompt_tokens  # the others use the same cache
        for number, reply in enumerate(replies):
            yield self._completion(job, number, reply)

    def _completion(self, job: _Job, number: int, reply: ServerReply) -> Completion:
        ids = reply.token_ids
        return Completion(
            key=job.request.key,
            sample_index=job.indexes[number],
            seed=job.seed(number),
            text=reply.text,
            finish_reason=reply.finish_reason,
            tokens=reply.tokens,
            prompt_tokens=reply.prompt_tokens,
            mean_logprob=reply.mean_logprob,
            token_ids=self._chat.drawn_tokens(ids, reply.text) if ids is not None else None,
        )

    def _lose(self, server: Server, trouble: ServerTrouble) -> None:
        """Continue without a server that failed. Raises NetworkError when it was the last one."""
        if server in self._servers:
            self._servers.remove(server)
            self.usage.lost_servers += 1
        if not self._servers:
            raise NetworkError(
                f"{server.url}: {trouble}; finished work is stored: "
                "repair the server, then run the same command again"
            )

    def _sample_locally(
        self, local: Sampler, requests: Iterable[Request], watch: Watch | None
    ) -> Iterator[Completion]:
        before = local.usage + SamplerUsage()
        try:
            yield from local.sample(requests, watch)
        finally:
            self.usage = self.usage + (local.usage - before)


def _first_done(futures: Collection[Future[T]], seconds: float) -> set[Future[T]]:
    """Wait until at least one future is done, for at most `seconds`. Returns those that are done."""
    ends, done = time.monotonic() + seconds, set[Future[T]]()
    # In short steps, because a request to stop cannot wake a thread that waits for a lock.
    while not done and (left := ends - time.monotonic()) > 0:
        done = wait(futures, timeout=min(left, STEP_SECONDS), return_when=FIRST_COMPLETED).done
    return done


async def _cancel_others() -> None:
    """Cancel what is still under way on this event loop, and wait until it has ended."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


def check_servers(
    model_path: Path,
    config: Config,
    *,
    will_train: bool,
    adapter: Path | None,
    trial: Path | None,
    attend: Attend | None = None,
) -> None:
    """Check that every server responds, serves the model, and can load the adapters if the run will train some.

    `trial`: see `ServerSampler.require_adapters`. Raises NetworkError, ModelError or ConfigError, naming the server.
    """
    sampler = ServerSampler(model_path, config.sampling, config.model, attend=attend)
    try:
        sampler.use_adapter(adapter)
        if will_train:
            sampler.require_adapters(trial)
    finally:
        sampler.close()


def _show_warnings(server: Server) -> None:
    """Log what a server was noticed doing, in the caller's thread."""
    while server.warnings:
        log.warning("%s: %s", server.url, server.warnings.pop(0))
