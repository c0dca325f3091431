"""Runs crema with bounds on time and memory, and tells how it ended."""
import os
import pathlib
import resource
import select
import signal
import socket
import struct
import subprocess
import time

MOST_OUTPUT = 1 << 20  # bytes of a run's output that are looked at
ADDRESS_SPACE = 8 << 30  # protects the machine; the memory that counts is measured


class Result:
    """How a run ended. `status` is the exit status, or minus a signal's number."""

    def __init__(self, command, wait_status, memory, seconds, clock, out, err):
        self.command = command
        self.status = os.waitstatus_to_exitcode(wait_status)
        self.memory, self.seconds, self.clock = memory, seconds, clock  # bytes, CPU, wall
        self.out, self.err = out, err
        self.stopped = self.killed = self.left_behind = False


class Bounds:
    """After `stop` seconds a run gets SIGTERM, after `kill` seconds SIGKILL; only that if both are
    equal."""

    def __init__(self, stop=20, kill=40):
        self.stop, self.kill = stop, kill


def read_some(path):
    with open(path, 'rb') as file:
        return file.read(MOST_OUTPUT).decode('utf-8', 'surrogateescape')


class Server:
    """A crema that is loaded once and runs its main() for each request; see start_once.cpp."""

    def __init__(self, program, environment, preload):
        ours, theirs = socket.socketpair()
        env = dict(environment, LD_PRELOAD=preload, CREMA_ATTACK_SOCKET=str(theirs.fileno()))
        self._process = subprocess.Popen([program], env=env, pass_fds=[theirs.fileno()],
                                         stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                         stderr=subprocess.DEVNULL)
        theirs.close()
        self._socket = ours

    def run(self, words):
        data = b''.join(os.fsencode(word) + b'\0' for word in words)
        self._socket.sendall(struct.pack('<I', len(data)) + data)
        reply = b''
        while len(reply) < 40:
            part = self._socket.recv(40 - len(reply))
            if not part:
                raise OSError('the server of crema has ended')
            reply += part
        return struct.unpack('<5q', reply)

    def close(self):
        self._socket.close()
        self._process.wait()


class Runner:
    """`folder` is for the outputs of runs. `plain`: start a whole process for each run."""

    def __init__(self, program, helpers, folder, plain=False):
        self.program = str(pathlib.Path(program).resolve())
        self.helpers, self.folder = helpers, pathlib.Path(folder)
        self.sanitized = b'__asan_init' in pathlib.Path(program).read_bytes()
        self.plain = plain or self.sanitized or helpers.start_once is None
        libraries = pathlib.Path(self.program).parent.parent
        self._codecs = [str(path) for path in libraries.glob('lib*/libcrema_image_codecs.so')]
        self._servers = {}
        self.runs, self.seconds = 0, 0.0  # of the processor, in all
        self.baseline = 0  # bytes of memory that the program takes to do nothing

    def environment(self, more=None, natural=False):
        """What runs see: little, and the same everywhere. `natural`: without the variables that
        save the program from starting itself anew and its libraries from starting threads."""
        kept = {name: value for name, value in os.environ.items() if name.endswith('SAN_OPTIONS')}
        base = {'PATH': '/usr/bin:/bin', 'HOME': '/nonexistent', 'LC_ALL': 'C'}
        if not natural:
            base.update({'OMP_WAIT_POLICY': 'passive', 'OPENBLAS_NUM_THREADS': '1'})
        if self.sanitized:  # leaks cannot be looked for under a tracer
            base['ASAN_OPTIONS'] = 'detect_leaks=0:allocator_may_return_null=1:' \
                                   'verify_asan_link_order=0'
        return {**base, **kept, **(more or {})}

    def crema(self, folder, *arguments, env=None, bounds=Bounds(), poison=None, faults=None,
              images=False):
        """`poison`: what fresh memory is filled with. `faults`: for tests/tools/preload/faults.cpp.
        `images`: it may read image files, whose libraries take long to load."""
        self.runs += 1
        arguments = [str(a) for a in arguments]
        fixed = {'MALLOC_PERTURB_': str(poison)} if poison is not None else {}
        if self.plain:
            fixed.update(env or {})
            if faults:
                fixed.update({'LD_PRELOAD': self.helpers.faults, **faults})
            return self.start(folder, [self.program, *arguments], env=fixed, bounds=bounds)
        preload = [self.helpers.start_once] + [self.helpers.faults] * bool(faults)
        preload += self._codecs if images else []
        return self._serve(folder, arguments, fixed, {**(env or {}), **(faults or {})},
                           ':'.join(preload), bounds)

    def _serve(self, folder, arguments, fixed, env, preload, bounds):
        key = (tuple(fixed.items()), preload)
        if key not in self._servers:
            self._servers[key] = Server(self.program, self.environment(fixed), preload)
        out, err = self.folder / 'stdout', self.folder / 'stderr'
        variables = [f'{name}={value}' for name, value in env.items()]
        words = [str(folder), str(out), str(err), str(int(bounds.stop * 1000)),
                 str(int(bounds.kill * 1000)), str(ADDRESS_SPACE), str(len(variables)), *variables,
                 self.program, *arguments]
        try:
            status, memory, processor, clock, flags = self._servers[key].run(words)
        except OSError:
            self._servers.pop(key).close()
            raise
        result = Result([*variables, 'crema', *arguments], status, memory * 1024, processor / 1e6,
                        clock / 1e6, read_some(out), read_some(err))
        result.stopped, result.killed = bool(flags & 1), bool(flags & 2)
        result.left_behind = bool(flags & 4)
        self.seconds += result.seconds
        return result

    def start(self, folder, command, env=None, bounds=Bounds(), closed=(), limits=None, user=None,
              bare_env=None, streams=None, natural=False):
        """Starts a whole process. `closed`: descriptors that it lacks; `limits`: {RLIMIT_: bytes};
        `user`: a number to run as; `streams`: {descriptor: path} instead of files of our own."""
        self.runs += 1
        out, err = self.folder / 'stdout', self.folder / 'stderr'
        environment = self.environment(env, natural) if bare_env is None else bare_env
        paths = {0: '/dev/null', 1: str(out), 2: str(err), **(streams or {})}
        all_limits = {resource.RLIMIT_CORE: 0, **(limits or {})}
        if not self.sanitized:
            all_limits.setdefault(resource.RLIMIT_AS, ADDRESS_SPACE)
        for path in (out, err):
            path.write_bytes(b'')
        began = time.monotonic()
        pid = os.fork()
        if pid == 0:
            become(folder, command, environment, paths, closed, all_limits, user)
        stopped, killed = wait_or_end(pid, began, bounds)
        _, status, used = os.wait4(pid, 0)
        shown = [f'{n}={v}' for n, v in (env or {}).items()] + [str(word) for word in command]
        result = Result(shown, status, used.ru_maxrss * 1024, used.ru_utime + used.ru_stime,
                        time.monotonic() - began, read_some(out), read_some(err))
        result.stopped, result.killed, result.left_behind = stopped, killed, end_group(pid)
        self.seconds += result.seconds
        return result

    def close(self):
        for server in self._servers.values():
            server.close()
        self._servers = {}


def become(folder, command, environment, paths, closed, limits, user):
    """In the child: never returns."""
    try:
        os.setpgid(0, 0)
        for number in signal.valid_signals():
            if number not in (signal.SIGKILL, signal.SIGSTOP) and number < 32:
                signal.signal(number, signal.SIG_DFL)
        os.chdir(folder)
        for fd, path in paths.items():
            flags = os.O_RDONLY if fd == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND
            opened = os.open(path, flags, 0o666)
            if opened != fd:
                os.dup2(opened, fd)
                os.close(opened)
        for fd in closed:
            os.close(fd)
        os.closerange(3, 256)
        for name, amount in limits.items():
            resource.setrlimit(name, (amount, amount))
        if user is not None:
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
        os.execve(command[0], [str(word) for word in command], environment)
    finally:
        os._exit(125)


def wait_or_end(pid, began, bounds):
    """Waits for the end. Returns whether it took SIGTERM, and whether it took SIGKILL."""
    process = os.pidfd_open(pid)
    poll = select.poll()
    poll.register(process, select.POLLIN)
    try:
        if poll.poll(bounds.stop * 1000):
            return False, False
        if bounds.stop < bounds.kill:
            os.kill(pid, signal.SIGTERM)
            if poll.poll(max(0, bounds.kill - (time.monotonic() - began)) * 1000):
                return True, False
        end_group(pid)
        os.kill(pid, signal.SIGKILL)
        return True, True
    finally:
        os.close(process)


def end_group(pid):
    """Ends what a process has left behind; returns whether there was anything."""
    try:
        os.killpg(pid, signal.SIGKILL)
        return True
    except (ProcessLookupError, PermissionError):
        return False
