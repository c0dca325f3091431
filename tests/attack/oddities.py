"""Puts something else where a file should be."""
import os
import pathlib
import shutil
import socket

import folders


def empty(path, _):
    path.write_bytes(b'')


def nothing(path, _):
    del path  # it has been removed


def zeros(path, _):
    path.write_bytes(bytes(1 << 16))


def sparse(path, _):
    """A hole of a terabyte, after what was there."""
    with open(path, 'wb') as file:
        file.write(path.name.encode())
        file.truncate(1 << 40)


def folder(path, _):
    path.mkdir()


def pipe(path, _):
    os.mkfifo(path)


def plug(path, _):
    """A socket; its name must be short, so it is made in the folder itself."""
    here = os.open(path.parent, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as made:
            made.bind(f'/proc/self/fd/{here}/{path.name}')
    finally:
        os.close(here)


def link_to_nothing(path, _):
    path.symlink_to('is_not_there')


def link_to_itself(path, _):
    path.symlink_to(path.name)


def device(name):
    def put(path, _):
        path.symlink_to(f'/dev/{name}')
    put.__name__ = f'link to /dev/{name}'
    return put


def link_to_folder(path, _):
    path.symlink_to('.')


def wrong_kind(path, others):
    """A good file of another kind."""
    shutil.copyfile(others, path)


ODDITIES = (empty, nothing, zeros, sparse, folder, pipe, plug, link_to_nothing, link_to_itself,
            device('zero'), device('null'), device('full'), device('tty'), link_to_folder,
            wrong_kind, wrong_kind, wrong_kind)


def replace(rng, path, stock):
    """Returns what was put there."""
    path = pathlib.Path(path)
    folders.remove(path)
    odd = rng.choice(ODDITIES)
    others = sorted(p for p in stock.rglob('*') if p.is_file())
    odd(path, rng.choice(others))
    return odd.__name__
