"""Runs programs: measured ones to their end, and others that load the machine meanwhile."""
import collections
import ctypes
import os
import signal
import subprocess
import sys
import tempfile
import time

from peers import Unable

Finished = collections.namedtuple('Finished', 'output megabytes')
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None)


def run_process(arguments, env, timeout, prepare=None):
    """Returns all that the program printed and its peak resident memory in MB. `prepare` is called
    in the new process first."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(arguments, stdout=log, stderr=subprocess.STDOUT, env=env,
                                   preexec_fn=prepare)
        deadline, pid = time.monotonic() + timeout, 0
        while pid == 0:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid == 0 and time.monotonic() > deadline:
                process.kill()
                os.wait4(process.pid, 0)
                process.returncode = -9
                raise Unable(f'took more than {timeout:g} s')
            time.sleep(0.02)
        process.returncode = os.waitstatus_to_exitcode(status)
        log.seek(0)
        output = log.read().decode(errors='replace')
    if process.returncode != 0:
        last = (output.strip().splitlines() or ['no output'])[-1]
        raise Unable(f'exit status {process.returncode}: {last}')
    return Finished(output, usage.ru_maxrss / 1024)


class Background:
    """Programs that run until this is closed, or until this process dies in whatever way."""

    def __init__(self):
        self.processes = []

    def start(self, arguments, core=None, env=None):
        parent = os.getpid()

        def prepare():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:  # which died before the line above
                os._exit(1)
            if core is not None:
                os.sched_setaffinity(0, {core})
        self.processes.append(subprocess.Popen(
            arguments, env=env, preexec_fn=prepare, stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))

    def start_busy_loop(self, core=None):
        self.start([sys.executable, '-S', '-c', 'while True: pass'], core)

    def wait_until_busy(self, seconds=0.2, timeout=120):
        """Until each has used so much of a processor's time."""
        deadline = time.monotonic() + timeout
        for process in self.processes:
            while processor_seconds(process.pid) < seconds:
                if process.poll() is not None:
                    raise Unable(f'a program that loads the machine ended: {process.args[0]}')
                if time.monotonic() > deadline:
                    raise Unable(f'{process.args[0]} does not load the machine')
                time.sleep(0.02)

    def check(self):
        for process in self.processes:
            if process.poll() is not None:
                raise Unable(f'a program that loads the machine ended: {process.args[0]}')

    def close(self):
        for process in self.processes:
            process.kill()
        for process in self.processes:
            process.wait()
        self.processes = []


def processor_seconds(pid):
    """What a process has used so far; 0 for one that is gone."""
    try:
        with open(f'/proc/{pid}/stat') as stat:
            fields = stat.read().rpartition(')')[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')
