#!/usr/bin/env python3
"""Tests tools/bench: the copies of nets, and the reading and comparing of times."""
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / 'tools/bench'))
import bench  # noqa: E402
import nets  # noqa: E402
import peers  # noqa: E402


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


class BenchTest(unittest.TestCase):
    case = peers.Case('LeNet', 'train', 64)

    def results(self):
        run = bench.Run
        return {(self.case, 'crema'): [run(10, 50), run(12, 50), run(11, 52)],
                (self.case, 'Caffe'): [run(33, 100)],
                (self.case, 'PyTorch eager'): [run(22, 200)],
                (self.case, 'PyTorch compiled'): [run(16.5, 250), run(90, 250), run(16.5, 250)]}

    def test_the_fastest_variant_counts(self):
        self.assertEqual(bench.best_of(self.case, 'PyTorch', self.results()), (16.5, 250, 'compiled'))
        self.assertIsNone(bench.best_of(self.case, 'OpenCV', self.results()))

    def test_ratios_are_to_the_medians(self):
        self.assertEqual(bench.cells(self.case, ['Caffe', 'PyTorch'], self.results()),
                         ['LeNet, 64', '11.00', '3.00', '1.50 (compiled)', '1.50', '50', '0.50',
                          '0.20'])

    def test_later_rounds_run_the_fastest_variant_only(self):
        torch = peers.Torch('python', 'script', 2)
        self.assertEqual(bench.variants_now(torch, self.case, {}, None), list(torch.variants))
        self.assertEqual(bench.variants_now(torch, self.case, self.results(), None), ['compiled'])

    def test_variants_come_from_an_earlier_run(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / 'results.json'
            bench.write_results(path, self.results())
            chosen = bench.read_variants(path)
        torch = peers.Torch('python', 'script', 2)
        self.assertEqual(bench.variants_now(torch, self.case, {}, chosen), ['compiled'])

    def test_shares_leave_out_the_data_and_count_the_update(self):
        def layer(name, kind, forward, backward, gflops):
            return {'name': name, 'type': kind, 'forward_ms': forward, 'backward_ms': backward,
                    'forward_gflops': gflops, 'backward_gflops': gflops / 2}
        shares, rate = bench.shares_of({
            'update_ms': 10, 'sgemm_gflops': 100,
            'layers': [layer('data', 'DummyData', 50, 0, 0), layer('a', 'Convolution', 20, 40, 80),
                       layer('b', 'ReLU', 4, 6, 0), layer('c', 'Convolution', 10, 10, 40)]})
        self.assertEqual(shares, {'Convolution': 0.8, 'ReLU': 0.1, 'update': 0.1})
        self.assertAlmostEqual(rate, (20 * 80 + 40 * 40 + 10 * 40 + 10 * 20) / 80 / 100)

    def test_a_process_that_fails_is_told(self):
        with self.assertRaisesRegex(peers.Unable, 'exit status 3: no net'):
            bench.run_process([sys.executable, '-c', 'print("no net"); raise SystemExit(3)'], {}, 60)
        output, megabytes = bench.run_process([sys.executable, '-c', 'print("hello")'], {}, 60)
        self.assertEqual(output, 'hello\n')
        self.assertGreater(megabytes, 1)


if __name__ == '__main__':
    unittest.main()
