"""Workers as actors of Ray: it places them, says when one is lost, and carries files and results.

Needs `invert[ray]`. Nodes need the same versions of invert and torch, and no disk in common with this one.
"""

from __future__ import annotations

import os
import platform
import signal
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from invert.errors import RequestError, RunError, one_line
from invert.files import read_regular, write_whole
from invert.sweeps.cells import photo_path
from invert.sweeps.crew import Crew, Gone
from invert.sweeps.machine import cores, threads
from invert.sweeps.placement import Placement
from invert.sweeps.wire import event_of, packed, solved
from invert.sweeps.worker import Ended, Joined, Task, Worker, WorkerEvent

PATIENCE = 10.0
"""Seconds after which it is said that the cluster has no room for a worker yet."""
SAME = ("invert", "torch")
"""Versions that decide the bits of a picture."""

Sent = Mapping[str, tuple[str, str, str, Any]]
"""Files by what requests call them: digest, name, what stands behind the name there, and content."""


class OnRay(Crew):
    """Workers on a cluster, or on a Ray of this machine alone, for as long as this lives."""

    def __init__(self, where: Placement, device: torch.device, network: str | None, groups: int) -> None:
        ray = _ray()
        self._begun = not ray.is_initialized()
        if self._begun:
            _begin(ray, where.address)
        needs = {"cpus": float(threads()), "gpus": float(device.type == "cuda")} | (where.needs or {})
        files, count = _Files(ray), threads()
        room = int(ray.cluster_resources().get("CPU", 1) // (needs["cpus"] or 1))
        super().__init__(
            lambda n: _Actor(ray, needs, count, network, files), min(where.jobs or max(room, 1), groups)
        )

    def run(self, next_task: Any) -> Iterator[WorkerEvent]:
        try:
            yield from super().run(next_task)
        finally:
            if self._begun:
                _ray().shutdown()


def _ray() -> Any:
    os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")  # a late call must not begin a Ray of its own
    try:
        import ray
    except ImportError:
        raise RequestError("--on ray needs Ray: pip install 'invert[ray]', or leave --on out") from None
    return ray


def _begin(ray: Any, address: str | None) -> None:
    """Connect, leaving signals to whoever has them: Ray takes SIGTERM."""
    if address and (host := address.rpartition(":"))[0] and "://" not in address:
        try:  # Ray tries for minutes
            socket.create_connection((host[0].strip("[]"), int(host[2])), timeout=PATIENCE).close()
        except (OSError, ValueError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise RunError(f"--on ray={address}: nobody answers there ({reason}): see `ray start`") from None
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    alone = {} if address else {"num_cpus": cores(), "include_dashboard": False}
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        ray.init(address=address or "local", log_to_driver=False, logging_level="ERROR", **alone)
    except Exception as error:
        raise RunError(f"--on ray{f'={address}' if address else ''}: {one_line(error)}") from error
    finally:
        for number, handler in handlers.items():
            with suppress(ValueError):  # not the main thread
                signal.signal(number, handler)


class _Actor:
    """A worker on some node, as one thread here sees it."""

    def __init__(
        self, ray: Any, needs: Mapping[str, float], count: int, network: str | None, files: _Files
    ) -> None:
        self._ray, self._needs, self._network, self._files = ray, needs, network, files
        wanted = {"num_cpus": needs["cpus"], "num_gpus": needs["gpus"], "memory": needs.get("memory")}
        # One call solves while another interrupts it.
        made = ray.remote(max_restarts=0, max_concurrency=2, **wanted)(Remote)
        self._actor = made.remote(count)
        self._joined = False

    def solve(self, task: Task) -> Iterator[WorkerEvent]:
        gone = self._ray.exceptions.RayActorError, self._ray.exceptions.ObjectLostError
        try:
            sent = self._files.of(task)
            if not self._joined:
                yield from self._join()
            ask = self._actor.solve.options(num_returns="streaming", _generator_backpressure_num_objects=64)
            known = None if task.cells[0].control else self._network
            for told in ask.remote(packed(task), sent, known):
                event = event_of(self._ray.get(told))
                yield event
                if isinstance(event, Ended):
                    return
        except self._ray.exceptions.RayTaskError as error:
            raise RunError(f"a worker on Ray: {one_line(error.cause or error)}") from error
        except gone as error:
            raise Gone(f"on Ray was lost ({type(error).__name__})") from None
        raise Gone("on Ray ended in the middle of its task")

    def interrupt(self) -> None:
        self._actor.interrupt.remote()

    def close(self) -> None:
        with suppress(Exception):  # it is gone, or Ray is
            self._ray.kill(self._actor)

    def _join(self) -> Iterator[WorkerEvent]:
        """Wait until a node has room, and see that it is of one mind with this one."""
        asked, waited = self._actor.facts.remote(), False
        while True:
            try:
                facts = self._ray.get(asked, timeout=PATIENCE)
                break
            except self._ray.exceptions.GetTimeoutError:
                if not waited:
                    needs = ", ".join(f"{name}={value:g}" for name, value in self._needs.items() if value)
                    yield Joined(f"a worker waits for a node of the cluster with room for it ({needs})")
                waited = True
        here = versions()
        other = [f"{name} {facts[name]}, here {here[name]}" for name in SAME if facts[name] != here[name]]
        if other:
            raise RunError(f"the node {facts['node']} runs {'; '.join(other)}: install the same there")
        self._joined = True
        told = ", ".join(f"{name} {facts[name]}" for name in here)
        yield Joined(f"a worker on {facts['node']}: {told}")


class _Files:
    """The files that cells name, each handed to the cluster once; it takes each to a node once."""

    def __init__(self, ray: Any) -> None:
        self._ray = ray
        self._known: dict[str, tuple[str, str, str, Any]] = {}
        self._contents: dict[str, Any] = {}

    def of(self, task: Task) -> Sent:
        cell = task.cells[0]
        request = cell.of_network
        named = [request.model, request.weights, request.labels, request.judge, request.judge_weights]
        named += [photo_path(cell)] if cell.photo is not None else []
        return {name: sent for name in named if name and (sent := self._sent(name)) is not None}

    def _sent(self, name: str) -> tuple[str, str, str, Any] | None:
        """None for what is no file, such as the name of a published network."""
        if name not in self._known:
            file, colon, factory = (name, "", "") if Path(name).is_file() else name.rpartition(":")
            if not Path(file).is_file():
                return None
            content = read_regular(file, Path(file).stat().st_size)
            digest = sha256(content).hexdigest()
            if digest not in self._contents:
                self._contents[digest] = self._ray.put(content)
            self._known[name] = digest, Path(file).name, colon + factory, self._contents[digest]
        return self._known[name]


class Remote:
    """What an actor does."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._here: dict[str, str] = {}
        self._worker = Worker(lambda name: self._here.get(name, name))

    def facts(self) -> dict[str, str]:
        return {"node": platform.node(), **versions()}

    def interrupt(self) -> None:
        self._worker.interrupt()

    def solve(self, content: bytes, files: Sent, network: str | None) -> Iterator[bytes]:
        """The events of a packed task, whose network has to have the digest `network`, if one is given."""
        torch.set_num_threads(self._threads)  # of this very thread
        for name, (digest, file, rest, held) in files.items():
            if name not in self._here:
                self._here[name] = f"{_kept(digest, file, held)}{rest}"
        yield from solved(self._worker, content, network)


def versions() -> dict[str, str]:
    return {"invert": version("invert"), "torch": version("torch"), "python": platform.python_version()}


def _kept(digest: str, name: str, held: Any) -> Path:
    """A file on this node, by its digest; fetched where no worker here has done it."""
    folder = Path(tempfile.gettempdir()) / f"invert-{os.getuid() if hasattr(os, 'getuid') else 'files'}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid") and (folder.is_symlink() or folder.stat().st_uid != os.getuid()):
        raise RunError(f"{folder} is somebody else's: remove it")
    file = folder / digest / name
    with suppress(OSError):
        if sha256(read_regular(file, file.stat().st_size)).hexdigest() == digest:
            return file
    return write_whole(file, _ray().get(held))
