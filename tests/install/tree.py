"""What the tests of the installed tree share. Their CMakeLists.txt sets the variables."""
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

PREFIX = Path(os.environ["CREMA_PREFIX"])
BUILD = Path(os.environ["CREMA_BUILD"])
SOURCE = Path(os.environ["CREMA_SOURCE"])
CMAKE = os.environ["CREMA_CMAKE"]
GENERATOR = os.environ["CREMA_GENERATOR"]
COMPILER = os.environ["CREMA_CXX"]
CXX_FLAGS = os.environ["CREMA_CXX_FLAGS"].split()
LIBDIR = os.environ["CREMA_LIBDIR"]  # below PREFIX
HAS_V3 = os.environ["CREMA_HAS_V3"] == "1"

# A user's environment: nothing helps the loader, CMake or pkg-config to find the build.
CLEAN = {name: value for name, value in os.environ.items()
         if name not in ("LD_LIBRARY_PATH", "LD_PRELOAD", "CMAKE_PREFIX_PATH", "PKG_CONFIG_PATH",
                         "CREMA_PLUGINS")}


def run(command, **options):
    """The output of a command, which must succeed."""
    options = {"env": CLEAN, "stdin": subprocess.DEVNULL, **options}
    command = [str(word) for word in command]
    result = subprocess.run(command, text=True, capture_output=True, **options)
    if result.returncode != 0:
        raise AssertionError(f"{' '.join(command)}\n{result.stdout}{result.stderr}")
    return result.stdout


def crema(*arguments, prefix=PREFIX, **options):
    return run([prefix / "bin" / "crema", *arguments], **options)


def needs(program):
    """For tests that need a program which may be absent."""
    return unittest.skipUnless(shutil.which(program), f"{program} is not installed")


def link_tree(to):
    """The installed tree once more, in another place, without a copy of its bytes."""
    shutil.copytree(PREFIX, to, symlinks=True, copy_function=os.link)
    return to


class TreeTest(unittest.TestCase):
    """Has a folder of its own."""

    def setUp(self):
        # Beside the tree, so that files can be linked.
        folder = tempfile.TemporaryDirectory(dir=BUILD, prefix="install_test_")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
