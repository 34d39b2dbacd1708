"""wasmtime: modules compiled once, and each call in a new instance that cannot take more than it may.

Tried with wasmtime 50: a call is 0.05 ms, most of it the instance; an endless loop ends within a millisecond of its
bound, while other threads go on, for wasmtime lets go of Python's lock.
"""

import threading
import time
from pathlib import Path

from wasmtime import Config, Engine, Func, Instance, Linker, Memory, Module, Store, Trap, WasmtimeError

from anygate.services.wasm.host import Visit, begin, define_host

_TICK = 0.001
_TABLE_ELEMENTS = 100_000
_SMALLEST = 65_536
_ALLOC = "alloc"


class PluginError(Exception):
    """A plugin did not come to its end: it trapped, took too long, or wanted what it may not have."""


class Plugins:
    """Every module of a folder, by name."""

    def __init__(self, folder: Path) -> None:
        config = Config()
        config.epoch_interruption = True
        self._engine = Engine(config)
        self._folder = folder
        self._modules: dict[str, Module] = {}
        self._settings: dict[str, str] = {}
        self._compiling = threading.Lock()
        self._linker = Linker(self._engine)
        self._clock = _Clock(self._engine)
        define_host(self._linker)

    def read_settings(self, name: str) -> str:
        """The settings of a plugin."""
        if name not in self._settings:
            self._settings[name] = (self._folder / name).read_text(encoding="utf-8")
        return self._settings[name]

    def call(self, module: str, function: str, visit: Visit, *, memory: int, milliseconds: int) -> int:
        """Call a function of a module; what it returned. Raises PluginError."""
        compiled = self._compile(module)
        with Store(self._engine) as store:
            store.set_limits(
                memory_size=max(memory, _SMALLEST), table_elements=_TABLE_ELEMENTS, instances=1, tables=4, memories=1
            )
            # The clock is somewhere between two ticks.
            store.set_epoch_deadline(milliseconds + 1)
            begin(visit)
            with self._clock:
                try:
                    return _run(self._linker.instantiate(store, compiled), store, function, visit)
                except (Trap, WasmtimeError, IndexError) as problem:
                    raise PluginError(_first_line(problem)) from None

    def _compile(self, name: str) -> Module:
        found = self._modules.get(name)
        if found is None:
            with self._compiling:
                found = self._modules.get(name)
                if found is None:
                    found = self._modules[name] = self._load(name)
        return found

    def _load(self, name: str) -> Module:
        try:
            return Module(self._engine, (self._folder / name).read_bytes())
        except (OSError, WasmtimeError) as problem:
            raise PluginError(_first_line(problem)) from None


def _run(instance: Instance, store: Store, function: str, visit: Visit) -> int:
    exports = instance.exports(store)
    alloc, memory, called = exports[_ALLOC], exports["memory"], exports[function]
    # Nothing else is called that was not looked at before.
    assert isinstance(alloc, Func)
    assert isinstance(memory, Memory)
    assert isinstance(called, Func)
    visit.alloc, visit.memory = alloc, memory
    if not called.type(store).params:
        return int(called(store))
    text = visit.describe()
    return int(called(store, visit.put(store, text), len(text)))


def _first_line(problem: Exception) -> str:
    lines = [line.strip() for line in str(problem).splitlines() if line.strip()]
    # The cause of a trap stands last, after where it happened, and may be numbered.
    return lines[-1].split(": ", 1)[-1] if lines else type(problem).__name__


class _Clock:
    """Moves an engine's epoch on every millisecond while anything runs."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._running = 0
        self._changed = threading.Condition()
        threading.Thread(target=self._tick, name="wasm-clock", daemon=True).start()

    def __enter__(self) -> None:
        with self._changed:
            self._running += 1
            self._changed.notify()

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._running -= 1

    def _tick(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._running)
            time.sleep(_TICK)
            self._engine.increment_epoch()
