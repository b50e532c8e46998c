from __future__ import annotations

import os
import signal
import threading

import pytest

from fer.core.process import InterruptGuard


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(autouse=True)
def as_in_a_terminal() -> object:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, "as it was"
    signal.signal(signal.SIGINT, before)


def test_a_step_is_finished_first() -> None:
    steps = []

    def work(interrupts: InterruptGuard) -> None:
        with interrupts.defer_interrupts():
            interrupt()
            steps.append("written")
        steps.append("too far")

    with InterruptGuard() as interrupts, pytest.raises(KeyboardInterrupt):
        work(interrupts)
    assert steps == ["written"]


def test_outside_of_steps_it_comes_at_once() -> None:
    with pytest.raises(KeyboardInterrupt), InterruptGuard():
        interrupt()


def test_the_second_comes_at_once() -> None:
    steps = []

    def work(interrupts: InterruptGuard) -> None:
        with interrupts.defer_interrupts():
            interrupt()
            steps.append("first")
            interrupt()
            steps.append("too far")

    with InterruptGuard() as interrupts, pytest.raises(KeyboardInterrupt):
        work(interrupts)
    assert steps == ["first"]


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process at once")
def test_sigterm_counts_as_ctrl_c() -> None:
    steps = []

    def work(interrupts: InterruptGuard) -> None:
        with interrupts.defer_interrupts():
            os.kill(os.getpid(), signal.SIGTERM)
            steps.append("written")
        steps.append("too far")

    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    with InterruptGuard() as interrupts, pytest.raises(KeyboardInterrupt):
        work(interrupts)
    assert steps == ["written"]
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


@pytest.mark.skipif(os.name == "nt", reason="Windows ends a process at once")
def test_who_handles_sigterm_goes_on_doing_so() -> None:
    came = []
    before = signal.signal(signal.SIGTERM, lambda *_: came.append("theirs"))
    try:
        with InterruptGuard():
            os.kill(os.getpid(), signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert came == ["theirs"]


def test_in_a_thread_nothing_is_changed() -> None:
    def work() -> None:
        with InterruptGuard() as interrupts, interrupts.defer_interrupts():
            pass

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_what_is_ignored_stays_so() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with InterruptGuard():
        interrupt()
    signal.signal(signal.SIGINT, signal.default_int_handler)
