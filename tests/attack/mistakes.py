"""Changes nets and solvers in ways that the schema allows, sensible or not."""
import copy

from prototxt import Word

INTEGERS = (0, 1, -1, 2, 3, 5, 17, 255, 65536, 2147483647, -2147483648, 2147483648, 4294967295,
            9223372036854775807, -9223372036854775808)
FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 1e-45, 1e-7, 1e38, -1e38, 3.5e38, 1e300, 'nan', 'inf', '-inf')
TEXTS = ('', ' ', 'x', 'data', 'label', 'list.txt', 'lmdb', 'mean.binaryproto',
         'matrix.binaryproto', 'none', '/', '.', '..', '/dev/null', '/dev/zero', 'a' * 300,
         'a' * 5000, 'LeNet', 'L2', 'min', 'a\nb', '\x1b[31m', '%s%n', '\\', '"', "'", '\udcff',
         'ä', '🦉', '(automatic)', 'images/', 'gaussian', 'constant', 'xavier', 'SGD', 'Adam',
         'step', 'poly', 'CAFFE', 'ONEDNN', 'BF16')

# Fields that name a file to write: nothing outside of the folder, and none of the inputs.
WRITTEN = ('snapshot_prefix', 'file_name')
OUTPUTS = ('', 'x', 'a' * 230, 'a' * 300, 'none/x', 'ä', '\udcff', '\x1b[31m', 'a\nb', '%s')


def number(rng, kind):
    """Mostly one that the field can hold."""
    if kind in ('float', 'double'):
        value = rng.choice(FLOATS)
        return Word(value) if isinstance(value, str) else value
    if kind == 'bool':
        return rng.random() < 0.5
    if rng.random() < 0.1:
        return rng.choice(INTEGERS)
    fitting = {'int32': (-1 << 31, 1 << 31), 'uint32': (0, 1 << 32), 'int64': (-1 << 63, 1 << 63),
               'uint64': (0, 1 << 64), 'fixed32': (0, 1 << 32)}[kind]
    return rng.choice([n for n in INTEGERS if fitting[0] <= n < fitting[1]])


def value(rng, field, depth=0):
    """Anything for a field."""
    if field.is_message:
        return message(rng, field.kind, depth + 1)
    if isinstance(field.kind, list):
        return Word(rng.choice(field.kind)) if rng.random() < 0.95 else Word('NONE_OF_THEM')
    if field.kind in ('string', 'bytes'):
        return rng.choice(OUTPUTS if field.name in WRITTEN else TEXTS)
    return number(rng, field.kind)


def message(rng, kind, depth=0):
    """A message with some of its fields."""
    fields = list(kind.fields.values())
    made = {}
    for field in rng.sample(fields, min(len(fields), rng.choice((0, 1, 1, 2, 3)))):
        if depth < 4 or not field.is_message:
            made[field.name] = some(rng, field, depth)
    return made


def some(rng, field, depth=0):
    if not field.repeated:
        return value(rng, field, depth)
    return [value(rng, field, depth) for _ in range(rng.choice((0, 1, 1, 2, 3, 5)))]


def change_field(rng, kind, target):
    """Sets a field of `target`, a message of the schema's `kind`, or one within it."""
    inner = [name for name, held in target.items()
             if name in kind.fields and kind.fields[name].is_message and held]
    if inner and rng.random() < 0.6:
        name = rng.choice(inner)
        held = target[name]
        held = rng.choice(held) if isinstance(held, list) else held
        return change_field(rng, kind.fields[name].kind, held)
    given = [name for name in target if name in kind.fields]
    if given and rng.random() < 0.5:
        name = rng.choice(given)
        if rng.random() < 0.2:
            del target[name]
            return None
    else:
        name = rng.choice(list(kind.fields))
    target[name] = some(rng, kind.fields[name])
    return None


def change_own_options(rng, schema, layer):
    """A field of the layer's own options."""
    field = schema.options_of_type().get(layer.get('type'))
    if field is None:
        return
    options = layer.setdefault(field.name, {})
    name = rng.choice(list(field.kind.fields))
    options[name] = some(rng, field.kind.fields[name])


def change_wiring(rng, layers):
    layer, other = rng.choice(layers), rng.choice(layers)
    end = rng.choice(('bottom', 'top'))
    names = layer.setdefault(end, [])
    what = rng.randrange(5)
    if what == 0 and names:
        names.pop(rng.randrange(len(names)))
    elif what == 1:
        names.append(rng.choice(other.get('top') or ['nothing']))
    elif what == 2 and names:
        names[rng.randrange(len(names))] = rng.choice(other.get('top') or ['nothing'])
    elif what == 3:
        layer[end] = names * rng.choice((2, 40, 3000))
    else:
        rng.shuffle(names)


def change_layers(rng, types, layers):
    at = rng.randrange(len(layers))
    what = rng.randrange(5)
    if what == 0:
        del layers[at]
    elif what == 1:
        layers.insert(rng.randrange(len(layers) + 1), copy.deepcopy(layers[at]))
    elif what == 2:
        layers[at]['type'] = rng.choice(types)
    elif what == 3:
        other = rng.randrange(len(layers))
        layers[at], layers[other] = layers[other], layers[at]
    else:
        layers.append({'name': 'new', 'type': rng.choice(types), 'top': ['new'],
                       'bottom': [top for layer in rng.choices(layers, k=rng.randint(0, 3))
                                  for top in layer.get('top', [])[:1]]})


def spoil_net(rng, schema, types, net):
    """One to three mistakes."""
    net = copy.deepcopy(net)
    for _ in range(rng.choice((1, 1, 2, 3))):
        layers = net['layer']
        what = rng.random()
        if not layers or what < 0.1:
            change_field(rng, schema.messages['NetParameter'], net)
            net['layer'] = [layer for layer in net.get('layer', []) if layer is not None]
        elif what < 0.5:
            change_own_options(rng, schema, rng.choice(layers))
        elif what < 0.65:
            change_field(rng, schema.messages['LayerParameter'], rng.choice(layers))
        elif what < 0.8:
            change_wiring(rng, layers)
        else:
            change_layers(rng, types, layers)
    return net


def spoil_solver(rng, schema, solver):
    solver = copy.deepcopy(solver)
    kind = schema.messages['SolverParameter']
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(list(kind.fields))
        solver[name] = some(rng, kind.fields[name])
    return solver
