"""Compiles the small programs that the attacks use beside crema."""
import os
import pathlib
import platform
import shutil
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
FAULTS = HERE.parent / 'tools/preload/faults.cpp'


class Helpers:
    """Paths; None for what this machine cannot have, with the reason in `missing`."""

    def __init__(self, folder):
        self.folder, self.missing = pathlib.Path(folder), []
        names = [os.environ.get('CXX', ''), 'c++', 'g++', 'clang++']
        self._compiler = next((name for name in names if name and shutil.which(name)), None)
        shared = ['-shared', '-fPIC']
        self.start_once = self._compile(HERE / 'start_once.cpp', 'start_once.so', shared)
        self.faults = self._compile(FAULTS, 'faults.so', shared)
        self.tracer = None
        if platform.machine() != 'x86_64':
            self.missing.append('tracer: written for x86-64 only')
        else:
            self.tracer = self._compile(HERE / 'tracer.cpp', 'tracer', [])
        if self.tracer and subprocess.run([self.tracer, '--', '/bin/true']).returncode != 0:
            self.missing.append('tracer: this system does not let a program trace another')
            self.tracer = None

    def _compile(self, source, name, flags):
        path = self.folder / name
        if self._compiler is None:
            self.missing.append(f'{name}: there is no C++ compiler')
            return None
        command = [self._compiler, '-std=c++17', '-O1', *flags, str(source), '-o', str(path)]
        done = subprocess.run([*command, '-ldl'], capture_output=True, text=True)
        if done.returncode == 0:
            return str(path)
        reasons = [line for line in done.stderr.splitlines() if 'error' in line]
        self.missing.append(f'{name}: {(reasons or ["it cannot be compiled"])[0]}')
        return None
