"""Small disks in memory, for a superuser."""
import contextlib
import ctypes
import os

MS_RDONLY, MS_REMOUNT, MNT_DETACH = 1, 32, 2


def libc():
    return ctypes.CDLL(None, use_errno=True)


def mount(folder, size, flags=0):
    done = libc().mount(b'tmpfs', os.fsencode(folder), b'tmpfs', ctypes.c_ulong(flags),
                        f'size={size}'.encode())
    return done == 0


@contextlib.contextmanager
def small_disk(folder, size):
    """Mounts a disk of `size` bytes on the folder; yields whether that was possible."""
    mounted = os.geteuid() == 0 and mount(folder, size)
    try:
        yield mounted
    finally:
        if mounted:
            libc().umount2(os.fsencode(folder), MNT_DETACH)


def make_read_only(folder, size):
    return mount(folder, size, MS_REMOUNT | MS_RDONLY)
