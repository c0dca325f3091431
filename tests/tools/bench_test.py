#!/usr/bin/env python3
"""Tests tools/bench: the copies of nets, and the reading and comparing of times."""
import contextlib
import io
import json
import os
import pathlib
import select
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / 'tools/bench'))
import bench  # noqa: E402
import loads  # noqa: E402
import measuring  # noqa: E402
import nets  # noqa: E402
import peers  # noqa: E402
import processes  # noqa: E402
import startup  # noqa: E402
import tables  # noqa: E402


class NetsTest(unittest.TestCase):
    def test_braces_in_strings_and_comments_do_not_count(self):
        head, layers = nets.split_layers('name: "layers a{"  # }\nlayer { type: "A" p { q: 1 } }\n'
                                         'layer { name: "}" type: "B" }')
        self.assertEqual(head, 'name: "layers a{"')
        self.assertEqual([nets.layer_type(layer) for layer in layers], ['A', 'B'])

    def test_a_net_without_end_is_refused(self):
        for text in ('', 'layer {', 'name: "x"'):
            with self.assertRaises(ValueError):
                nets.split_layers(text)

    def test_every_net_gets_its_batch_size_and_one_source_of_data(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'net.prototxt'
            for net, (_, batch, image) in nets.NETS.items():
                for mode, use_input in (('train', False), ('infer', False), ('infer', True)):
                    nets.write_net(net, mode, batch, path, use_input)
                    types = [nets.layer_type(l) for l in nets.split_layers(path.read_text())[1]]
                    self.assertEqual(types[0], 'Input' if use_input else 'DummyData')
                    self.assertNotIn('Data', types)
                    self.assertEqual(types.count('Input') + types.count('DummyData'), 1)
                    self.assertIn('SoftmaxWithLoss' if mode == 'train' else 'Softmax', types)
                    dims = ' '.join(f'dim: {d}' for d in (batch,) + image)
                    self.assertIn(dims, path.read_text())


LOG = '''I1 time.cpp:1]       data\tforward: 2.5 ms.
I1 time.cpp:1]       data\tbackward: 0.1 ms.
I1 time.cpp:1]  conv/data\tforward: 7 ms.
I1 time.cpp:1] Average Forward pass: 10 ms.
I1 time.cpp:1] Average Backward pass: 1.5e+01 ms.
I1 time.cpp:1] Average Forward-Backward: 25.5 ms.
'''


class FlagsTest(unittest.TestCase):
    def error_of(self, flag):
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors), self.assertRaises(SystemExit) as ended:
            bench.parse_flags([flag])
        self.assertEqual(ended.exception.code, 2)
        return errors.getvalue()

    def test_unknown_names_are_refused_with_those_that_there_are(self):
        for flag, name, known in (('modes', 'test', 'train, infer'),
                                  ('modes', '', 'train, infer'),
                                  ('nets', 'lenett', ', '.join(nets.NETS)),
                                  ('peers', 'openvino', bench.PEERS.replace(',', ', ')),
                                  ('torch-variants', 'fast', ', '.join(peers.Torch.variants))):
            self.assertIn(f'--{flag}: there is no "{name}"; there are: {known}',
                          self.error_of(f'--{flag}={name}'))
        self.assertIn('"busy" is no load; there are quiet, pinned, loops=N, inferences=N, quota',
                      self.error_of('--load=pinned,busy'))

    def test_known_names_are_taken(self):
        flags = bench.parse_flags(['--modes=infer', '--peers=Caffe,OpenCV', '--load=quota'])
        self.assertEqual((flags.modes, flags.peers, flags.load),
                         ('infer', 'Caffe,OpenCV', ['quiet', 'quota']))
        self.assertEqual(bench.parse_flags(['--peers=']).peers, '')
        self.assertEqual(bench.parse_flags([]).modes, 'train,infer')


class PeersTest(unittest.TestCase):
    def test_the_time_of_making_images_is_taken_out(self):
        caffe = peers.Caffe('caffe')
        for mode, expected in (('train', 23.0), ('infer', 7.5)):
            caffe.mode = mode
            self.assertAlmostEqual(caffe.milliseconds(LOG, None), expected)

    def test_output_without_times_is_refused(self):
        for peer in (peers.Caffe('caffe'), peers.OpenCv('python', None, 1)):
            peer.mode = 'train'
            with self.assertRaises(peers.Unable):
                peer.milliseconds('killed', None)


    def test_a_load_is_measured_by_the_mean(self):
        peer = peers.OpenVino('python', 2)
        output = 'ms_per_iter=1.5 mean_ms=8.25\n'
        self.assertEqual(peer.milliseconds(output, None), 1.5)
        self.assertEqual(peer.milliseconds(output, None, mean=True), 8.25)

    def test_the_mean_of_crema_comes_from_its_json(self):
        crema = peers.Crema('true')
        crema.mode, crema.has_json = 'infer', True
        times = {'iteration_ms': 3, 'forward_ms': 3, 'iteration_mean_ms': 9,
                 'layers': [{'name': 'data', 'forward_ms': 1}, {'name': 'a', 'forward_ms': 2}]}
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder)
            (path / 'crema.json').write_text(json.dumps(times))
            self.assertEqual(crema.milliseconds('', path), 2)
            self.assertEqual(crema.milliseconds('', path, mean=True), 8)


class LoadsTest(unittest.TestCase):
    def test_the_quiet_machine_comes_first_and_each_load_once(self):
        self.assertEqual(loads.parse('loops=8,quiet,pinned,loops=8'),
                         ['quiet', 'loops=8', 'pinned'])
        self.assertEqual(loads.parse('all'), loads.ALL.split(','))
        for name in ('', 'loops', 'loops=0', 'inferences=x', 'pinned=2', 'noise'):
            with self.assertRaises(ValueError):
                loads.parse(name)

    def test_busy_loops_are_pinned_and_ended(self):
        with loads.running('pinned') as load:
            pids = [process.pid for process in load.background.processes]
            cores = [os.sched_getaffinity(pid) for pid in pids]
            load.check()
        self.assertEqual(cores, [{core} for core in sorted(os.sched_getaffinity(0))])
        for pid in pids:
            self.assertFalse(os.path.exists(f'/proc/{pid}'))

    def test_loops_end_with_a_benchmark_that_is_killed(self):
        code = ('import loads, os\nwith loads.running("loops=2") as load:\n'
                '  print(*[p.pid for p in load.background.processes], flush=True)\n'
                '  os.kill(os.getpid(), 9)')
        done = subprocess.run([sys.executable, '-B', '-c', code], capture_output=True, text=True,
                              cwd=pathlib.Path(loads.__file__).parent)
        pids = [int(pid) for pid in done.stdout.split()]
        self.assertEqual(len(pids), 2)
        for pid in pids:
            self.assertTrue(ends(pid))

    def test_a_load_that_ended_is_told(self):
        background = processes.Background()
        background.start(['true'])
        background.processes[0].wait()
        with self.assertRaisesRegex(peers.Unable, 'ended: true'):
            background.check()
        with self.assertRaisesRegex(peers.Unable, 'ended: true'):
            background.wait_until_busy()

    def test_cgroups_of_both_kinds_are_made(self):
        quota = str(loads.PERIOD_US)
        for folder, files in (('', {'cpu.max': f'{quota} {quota}'}),
                              ('cpu', {'cpu.cfs_period_us': quota, 'cpu.cfs_quota_us': quota})):
            with tempfile.TemporaryDirectory() as root:
                parent = pathlib.Path(root) / folder
                parent.mkdir(exist_ok=True)
                (parent / 'cgroup.procs').touch()
                with FilesOfNewFolder(files):
                    group = loads.make_cgroup(pathlib.Path(root), 'x')
                self.assertEqual(group, parent / 'x')
                self.assertEqual({f.name: f.read_text() for f in group.iterdir()}, files)

    def test_without_control_of_processors_there_is_no_cgroup(self):
        with tempfile.TemporaryDirectory() as root:
            self.assertIsNone(loads.make_cgroup(pathlib.Path(root), 'x'))
            (pathlib.Path(root) / 'cgroup.procs').touch()
            self.assertIsNone(loads.make_cgroup(pathlib.Path(root), 'x'))
            self.assertFalse((pathlib.Path(root) / 'x').exists())

    def test_a_quota_holds_for_the_program_and_its_children(self):
        code = ('import os\nprint(len(os.sched_getaffinity(0)), '
                'open("/proc/self/cgroup").read().replace("\\n", " "))')
        with loads.running('quota') as load:
            done = processes.run_process([sys.executable, '-c', code], None, 60, load.prepare)
        cores, groups = done.output.split(' ', 1)
        self.assertTrue(cores == '1' or f'crema_bench_{os.getpid()}' in groups, done.output)


class FilesOfNewFolder:
    """Makes mkdir give a folder its files, as the system does in a folder of cgroups."""

    def __init__(self, files):
        self.files = files

    def __enter__(self):
        self.mkdir = mkdir = pathlib.Path.mkdir

        def mkdir_with_files(path, *arguments, **options):
            mkdir(path, *arguments, **options)
            for file in self.files:
                (path / file).touch()
        pathlib.Path.mkdir = mkdir_with_files

    def __exit__(self, *_):
        pathlib.Path.mkdir = self.mkdir


def ends(pid):
    """Whether a process of somebody else ends; waits for it."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([descriptor], [], [], 60)[0])
    finally:
        os.close(descriptor)


class BenchTest(unittest.TestCase):
    case = peers.Case('LeNet', 'train', 64)

    def results(self):
        run = tables.Run
        return {(self.case, 'crema'): [run(10, 50), run(12, 50), run(11, 52)],
                (self.case, 'Caffe'): [run(33, 100)],
                (self.case, 'PyTorch eager'): [run(22, 200)],
                (self.case, 'PyTorch compiled'): [run(16.5, 250), run(90, 250), run(16.5, 250)]}

    def with_load(self, load, factor=1):
        return {(load, case, name): [tables.Run(r.milliseconds * factor, r.megabytes) for r in runs]
                for (case, name), runs in self.results().items()}

    def test_the_fastest_variant_counts(self):
        self.assertEqual(tables.best_of(self.case, 'PyTorch', self.results()),
                         (16.5, 250, 'compiled'))
        self.assertIsNone(tables.best_of(self.case, 'OpenCV', self.results()))

    def test_ratios_are_to_the_medians(self):
        self.assertEqual(tables.cells(self.case, ['Caffe', 'PyTorch'], self.results()),
                         ['LeNet, 64', '11.00', '3.00', '1.50 (compiled)', '1.50', '50', '0.50',
                          '0.20'])

    def test_later_rounds_run_the_fastest_variant_only(self):
        torch = peers.Torch('python', 2)
        self.assertEqual(measuring.variants_now(torch, self.case, {}, None), list(torch.variants))
        self.assertEqual(measuring.variants_now(torch, self.case, self.results(), None),
                         ['compiled'])

    def test_variants_come_from_an_earlier_run(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'results.json'
            bench.write_results(path, {**self.with_load('quiet'), **self.with_load('pinned', 100)})
            chosen = bench.read_variants(path)
        torch = peers.Torch('python', 2)
        self.assertEqual(measuring.variants_now(torch, self.case, {}, chosen), ['compiled'])

    def test_shares_leave_out_the_data_and_count_the_update(self):
        def layer(name, kind, forward, backward, gflops):
            return {'name': name, 'type': kind, 'forward_ms': forward, 'backward_ms': backward,
                    'forward_gflops': gflops, 'backward_gflops': gflops / 2}
        shares, rate = tables.shares_of({
            'update_ms': 10, 'sgemm_gflops': 100,
            'layers': [layer('data', 'DummyData', 50, 0, 0), layer('a', 'Convolution', 20, 40, 80),
                       layer('b', 'ReLU', 4, 6, 0), layer('c', 'Convolution', 10, 10, 40)]})
        self.assertEqual(shares, {'Convolution': 0.8, 'ReLU': 0.1, 'update': 0.1})
        self.assertAlmostEqual(rate, (20 * 80 + 40 * 40 + 10 * 40 + 10 * 20) / 80 / 100)

    def test_crema_with_other_threads_is_not_a_variant_of_crema(self):
        results = self.results()
        results[self.case, tables.ONE_THREAD] = [tables.Run(1, 1)]
        self.assertEqual(tables.best_of(self.case, 'crema', results), (11, 50, ''))

    def test_loaded_times_stand_beside_quiet_ones(self):
        flags = bench.parse_flags(['--load=pinned'])
        found = [peers.Torch('python', 2), peers.Caffe('caffe')]
        results = measuring.Bench(flags, None, found, {},
                              {**self.with_load('quiet'), **self.with_load('pinned', 3)})
        self.assertEqual(
            tables.loaded_row('pinned', self.case, ['PyTorch', 'Caffe'], results.loaded_results()),
            ['LeNet, 64', '11.00 to 33.00 (3.00)', '36.00', '16.50 to 49.50 (3.00)',
             '33.00 to 99.00 (3.00)', '0.73'])
        self.assertIsNone(tables.loaded_row('quota', self.case, [], results.loaded_results()))
        self.assertEqual(
            tables.loaded_row('pinned', self.case, ['OpenCV'], results.loaded_results())[-2:],
            ['-', '-'])

    def test_a_quota_is_compared_with_one_thread(self):
        def runs(*times):
            return [tables.Run(ms, 1) for ms in times]
        results = {('quiet', self.case, tables.ONE_THREAD): runs(20, 20, 26),
                   ('quota', self.case, 'crema'): runs(30, 25, 20)}
        self.assertEqual(tables.quota_row(self.case, results),
                         ['LeNet, 64', '20.00', '25.00 (1.25)', '-'])
        self.assertIsNone(tables.quota_row(self.case, {}))

    def test_runs_under_a_load_are_not_cut_short(self):
        self.assertEqual(measuring.iterations_in(1.5, 0.1, False), 200)
        self.assertEqual(measuring.iterations_in(1.5, 0.1, True), 15000)
        self.assertEqual(measuring.iterations_in(1.5, 3000, True), 3)

    def test_threads_are_given_to_all_but_crema_which_chooses(self):
        flags = bench.parse_flags(['--threads=3'])
        for program, expected in (('crema', '3'), ('PyTorch eager', '3'), (tables.ONE_THREAD, '1'),
                                  (tables.OWN_THREADS, None)):
            env = measuring.environment(flags, program)
            self.assertEqual(env.get('OMP_NUM_THREADS'), expected)

    def test_a_process_that_fails_is_told(self):
        with self.assertRaisesRegex(peers.Unable, 'exit status 3: no net'):
            processes.run_process(
                [sys.executable, '-c', 'print("no net"); raise SystemExit(3)'], {}, 60)
        output, megabytes = processes.run_process([sys.executable, '-c', 'print("hello")'], {}, 60)
        self.assertEqual(output, 'hello\n')
        self.assertGreater(megabytes, 1)


class StartupTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def program(self, name, line):
        path = pathlib.Path(self.folder.name) / name
        path.write_text(f'#!/bin/sh\n{line}\n')
        path.chmod(0o755)
        return str(path)

    def test_programs_take_turns_and_the_first_run_does_not_count(self):
        log = pathlib.Path(self.folder.name) / 'log'
        programs = [self.program(name, f'echo {name} $1 $OMP_NUM_THREADS >> {log}')
                    for name in ('now', 'then')]
        times = startup.measure(programs, ['show'], 2, 3)
        self.assertEqual(log.read_text(), 'now show 3\nthen show 3\n' * 3)
        self.assertEqual([len(times[program]) for program in programs], [2, 2])

    def test_a_program_that_fails_is_told(self):
        program = self.program('now', 'echo no net >&2; exit 4')
        with self.assertRaisesRegex(SystemExit, 'exit status 4: no net'):
            startup.measure([program], ['show'], 1, 1)

    def test_ratios_are_to_the_medians(self):
        times = {'now': [2, 1, 3], 'then': [4, 4, 5]}
        self.assertEqual(startup.row('LeNet', 'test', ['now'], times),
                         '| LeNet | test | 2.000 (1.000 to 3.000) |')
        self.assertEqual(startup.row('LeNet', 'test', ['now', 'then'], times),
                         '| LeNet | test | 2.000 (1.000 to 3.000) | 4.000 (4.000 to 5.000) | 2.00 |')


if __name__ == '__main__':
    unittest.main()
