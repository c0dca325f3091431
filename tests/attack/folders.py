"""What is in a folder, so that nothing in it changes unseen."""
import hashlib
import os
import shutil
import stat


def look(folder):
    """{path: what it is and holds}. Files of more than 16 MiB count by their size and time."""
    found = {}
    for base, folders, files in os.walk(folder):
        for name in folders + files:
            path = os.path.join(base, name)
            found[os.path.relpath(path, folder)] = describe(path)
    return found


def describe(path):
    info = os.lstat(path)
    kind = stat.S_IFMT(info.st_mode)
    if stat.S_ISLNK(kind):
        return 'link to ' + os.readlink(path)
    if stat.S_ISDIR(kind):
        return 'folder'
    if not stat.S_ISREG(kind):
        return f'special {kind:o}'
    if info.st_size > 16 << 20:
        return f'{info.st_size} bytes of {info.st_mtime_ns}'
    with open(path, 'rb') as file:
        return f'{info.st_size} bytes, {hashlib.blake2b(file.read(), digest_size=12).hexdigest()}'


def differences(before, after, may_appear=lambda path: False):
    """Sentences; `may_appear` tells which paths may be new or change."""
    for path in sorted(before.keys() | after.keys()):
        if may_appear(path) or before.get(path) == after.get(path):
            continue
        if path not in after:
            yield f"removed the input '{path}'"
        elif path not in before:
            yield f"left '{path}' behind"
        else:
            was, now = before[path].split(', ')[0], after[path].split(', ')[0]
            yield f"changed the input '{path}' ({was}, now {now})"


def copy(source, names, folder):
    """Files and folders of one folder to another."""
    for name in names:
        path = os.path.join(folder, name)
        if os.path.isdir(os.path.join(source, name)):
            shutil.copytree(os.path.join(source, name), path, symlinks=True)
        else:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            shutil.copyfile(os.path.join(source, name), path)


def remove(path):
    """A file, link or folder; it need not be there."""
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)
