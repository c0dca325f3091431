#!/usr/bin/env python3
"""Tests the scripts of data/ that make databases: what they say of wrong folders, and what they
leave alone.

Usage: data_scripts_test.py CREMA
"""
import gzip
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import unittest

DATA = pathlib.Path(__file__).resolve().parents[2] / 'data'
CREMA = os.path.abspath(sys.argv.pop(1)) if len(sys.argv) > 1 else 'crema'


class DataScriptsTest(unittest.TestCase):
    def setUp(self):
        self._scratch = tempfile.TemporaryDirectory()
        self.addCleanup(self._scratch.cleanup)
        self.folder = pathlib.Path(self._scratch.name)
        self.out = self.folder / 'out'

    def run_script(self, name, *arguments, **variables):
        environment = {**os.environ, 'CREMA': CREMA, **variables}
        return subprocess.run([DATA / name, *arguments], cwd=self.folder, env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def expect_sentence(self, sentence, name, *arguments, **variables):
        result = self.run_script(name, *arguments, **variables)
        self.assertEqual((result.returncode, result.stdout), (1, ''))
        self.assertEqual(result.stderr, f'{os.path.basename(name)}: {sentence}\n')

    def image(self, name):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b'P6 2 2 255\n' + bytes(range(12)))

    def old_database(self, name):
        """A database of an earlier run, which mistakes must not cost."""
        (self.out / name).mkdir(parents=True)
        (self.out / name / 'data.mdb').write_text('precious')
        return self.out / name / 'data.mdb'

    def test_imagenet_names_the_folder_that_is_wrong(self):
        script = 'imagenet/create_imagenet.sh'
        self.image('train/n01/a.ppm')
        self.image('flat/b.ppm')
        self.expect_sentence("TRAIN_FOLDER is 'nowhere', which is no folder",
                             script, 'nowhere', 'flat', str(self.out))
        self.expect_sentence("VAL_FOLDER is 'nowhere', which is no folder",
                             script, 'train', 'nowhere', str(self.out))
        self.expect_sentence("VAL_LIST is 'nolist', which is no file",
                             script, 'train', 'flat', str(self.out), VAL_LIST='nolist')
        self.expect_sentence("there are no images in flat; it must contain one folder per class, or "
                             "VAL_LIST must name a list of its images",
                             script, 'train', 'flat', str(self.out))
        self.expect_sentence("there are no images in flat; it must contain one folder per class",
                             script, 'flat', 'train', str(self.out))
        self.assertFalse(self.out.exists())

    def test_imagenet_makes_the_databases(self):
        self.image('train/n01/a.ppm')
        self.image('train/n02/b.ppm')
        self.image('flat/c.ppm')
        (self.folder / 'val.txt').write_text('c.ppm 1\n')
        result = self.run_script('imagenet/create_imagenet.sh', 'train', 'flat', str(self.out),
                                 VAL_LIST='val.txt')
        self.assertEqual(result.returncode, 0, result.stderr)
        for made in ('examples/imagenet/ilsvrc12_train_lmdb/data.mdb',
                     'examples/imagenet/ilsvrc12_val_lmdb/data.mdb',
                     'data/ilsvrc12/imagenet_mean.binaryproto'):
            self.assertTrue((self.out / made).is_file(), made)

    def test_cifar10_names_the_file_that_is_missing(self):
        old = self.old_database('cifar10_train_lmdb')
        self.expect_sentence("'nowhere' has no data_batch_1.bin; run data/cifar10/get_cifar10.sh, or "
                             "set CREMA_CIFAR10_DIR",
                             'cifar10/create_cifar10.sh', str(self.out),
                             CREMA_CIFAR10_DIR='nowhere')
        self.assertEqual(old.read_text(), 'precious')

    def test_mnist_names_the_file_that_is_missing(self):
        old = self.old_database('mnist_train_lmdb')
        name = 'train-images-idx3-ubyte'
        sentence = "'{}' has no {} or {}.gz; run data/mnist/get_mnist.sh, or set CREMA_MNIST_DIR"
        self.expect_sentence(sentence.format('nowhere', name, name),
                             'mnist/create_mnist.sh', str(self.out), CREMA_MNIST_DIR='nowhere')
        for kind in ('train-images-idx3', 'train-labels-idx1', 't10k-images-idx3'):
            (self.folder / f'{kind}-ubyte').write_text('')
        name = 't10k-labels-idx1-ubyte'
        self.expect_sentence(sentence.format('.', name, name),
                             'mnist/create_mnist.sh', str(self.out), CREMA_MNIST_DIR='.')
        self.assertEqual(old.read_text(), 'precious')

    def test_mnist_makes_the_databases_anew(self):
        old = self.old_database('mnist_train_lmdb')
        for name in ('train', 't10k'):
            with gzip.open(self.folder / f'{name}-images-idx3-ubyte.gz', 'wb') as images:
                images.write(struct.pack('>4I', 2051, 1, 2, 2) + b'\1\2\3\4')
            labels = struct.pack('>2I', 2049, 1) + b'\7'
            (self.folder / f'{name}-labels-idx1-ubyte').write_bytes(labels)
        result = self.run_script('mnist/create_mnist.sh', str(self.out), CREMA_MNIST_DIR='.')
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertGreater(old.stat().st_size, 1000)
        self.assertTrue((self.out / 'mnist_test_lmdb/data.mdb').is_file())

    def test_a_wrong_program_is_told(self):
        self.image('train/n01/a.ppm')
        for name, arguments in (('imagenet/create_imagenet.sh', ('train', 'train')),
                                ('cifar10/create_cifar10.sh', ('out',)),
                                ('mnist/create_mnist.sh', ('out',))):
            self.expect_sentence("CREMA is 'nocrema', which is no program", name, *arguments,
                                 CREMA='nocrema')


if __name__ == '__main__':
    unittest.main()
