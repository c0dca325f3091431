"""Measures cases: runs each program on the quiet machine and under the loads."""
import argparse
import dataclasses
import os
import pathlib
import statistics
import sys

import loads
import nets
import peers
import tables
from processes import run_process
from tables import ONE_THREAD, OWN_THREADS, Run


def environment(flags, program='crema'):
    """With the number of threads for the program; crema's own choice has none."""
    threads = '1' if program == ONE_THREAD else str(flags.threads)
    caches = str(pathlib.Path(flags.folder) / 'torch')
    env = dict(os.environ, OMP_NUM_THREADS=threads, OPENBLAS_NUM_THREADS=threads,
               MKL_NUM_THREADS=threads, TORCHINDUCTOR_CACHE_DIR=caches,
               TORCHINDUCTOR_FX_GRAPH_CACHE='1', GLOG_logtostderr='1')
    if program == OWN_THREADS:
        for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'MKL_NUM_THREADS'):
            del env[name]
    return env


def folder_of(case, flags):
    return pathlib.Path(flags.folder) / nets.NETS[case.net][0] / f'{case.mode}{case.batch}'


def key(peer, variant):
    return f'{peer.name} {variant}'.strip()


def iterations_in(seconds, milliseconds, has_loads):
    """For a load a run must last much longer than the system lets a process run at a time, or it
    would not notice the load."""
    most = 20000 if has_loads else 200
    return max(3, min(most, round(seconds * 1e3 / max(milliseconds, 1e-3))))


@dataclasses.dataclass
class Bench:
    """One run of the benchmark. `results` are {(load, case, program): [Run]}."""
    flags: argparse.Namespace
    crema: peers.Crema
    found: list
    chosen: dict  # variants of an earlier run, by (case, name of the peer)
    results: dict = dataclasses.field(default_factory=dict)
    unable: set = dataclasses.field(default_factory=set)

    def measure(self, peer, case, variant, iterations, program='crema', load=None):
        """The median time; under a load the mean, which a few very slow iterations show in."""
        folder = folder_of(case, self.flags)
        folder.mkdir(parents=True, exist_ok=True)
        command = peer.command(case, variant, iterations, folder)
        done = run_process(command, environment(self.flags, program), self.flags.timeout,
                           load.prepare if load else None)
        return Run(peer.milliseconds(done.output, folder, load is not None), done.megabytes)

    def iterations_for(self, case):
        """As many as fill the time of a run, from a short run of crema."""
        short = self.measure(self.crema, case, '', 2)
        return iterations_in(self.flags.seconds, short.milliseconds, self.flags.load != ['quiet'])

    def quiet_results(self):
        return {(c, name): runs for (load, c, name), runs in self.results.items()
                if load == 'quiet'}

    def attempt(self, load_name, case, program, peer, variant, iterations, load=None):
        """Adds a run to the results, or says why there is none and does not try again."""
        if self.unable & {('quiet', case, program), (load_name, case, program)}:
            return
        where = f'{case.net}, {case.mode} {case.batch}, {load_name}: {program}'
        try:
            run = self.measure(peer, case, variant, iterations, program, load)
            if load:
                load.check()
        except peers.Unable as error:
            self.unable.add((load_name, case, program))
            print(f'{where}: {error}', file=sys.stderr)
            return
        self.results.setdefault((load_name, case, program), []).append(run)
        print(f'{where} {run.milliseconds:.2f} ms, {run.megabytes:.0f} MB', file=sys.stderr)

    def peers_for(self, case):
        return [self.crema] + [p for p in self.found if case.mode == 'infer' or not p.only_infers]

    def measure_quiet(self, case, iterations):
        for _ in range(self.flags.rounds):
            for peer in self.peers_for(case):
                for variant in variants_now(peer, case, self.quiet_results(), self.chosen):
                    self.attempt('quiet', case, key(peer, variant), peer, variant, iterations)
            if 'quota' in self.flags.load:
                self.attempt('quiet', case, ONE_THREAD, self.crema, '', iterations)

    def measure_loaded(self, name, case, iterations):
        inference = self.crema.endless_inference(case, folder_of(case, self.flags) / 'load')
        with loads.running(name, inference, environment(self.flags)) as load:
            for i in range(self.flags.loaded_rounds):
                all_run = i < self.flags.loaded_peer_rounds
                peers_now = self.peers_for(case) if all_run else [self.crema]
                for peer in peers_now:
                    for variant in variants_now(peer, case, self.quiet_results(), self.chosen):
                        self.attempt(name, case, key(peer, variant), peer, variant, iterations,
                                     load)
                if name == 'quota':
                    self.attempt(name, case, OWN_THREADS, self.crema, '', iterations, load)
            return load.how

    def measure_case(self, case):
        """Under all loads; returns how each was made."""
        iterations = self.iterations_for(case)
        self.measure_quiet(case, iterations)
        return {name: self.measure_loaded(name, case, iterations)
                for name in self.flags.load if name != 'quiet'}

    def loaded_results(self):
        """Of each program's fastest variant, under the name of the program alone."""
        quiet, merged = self.quiet_results(), {}
        for (load, case, name), runs in self.results.items():
            merged[load, case, name] = runs
            for peer in self.found:
                best = tables.best_of(case, peer.name, quiet)
                if best and name == f'{peer.name} {best[2]}'.strip():
                    merged[load, case, peer.name] = runs
        return merged


def variants_now(peer, case, results, chosen):
    """All variants at first, then the fastest."""
    if chosen and (case, peer.name) in chosen:
        return [chosen[case, peer.name]]
    seen = [(statistics.median(r.milliseconds for r in results[case, key(peer, v)]), v)
            for v in peer.variants if results.get((case, key(peer, v)))]
    return [min(seen)[1]] if seen else list(peer.variants)
