"""Reads proto/crema.proto: the messages of the configuration language, their fields and enums."""
import re

SCALARS = {'double', 'float', 'int32', 'int64', 'uint32', 'uint64', 'bool', 'string', 'bytes',
           'fixed32'}
TOKEN = re.compile(r'//([^\n]*)|"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|[\w.+-]+|[^\s\w]')


class Field:
    """`kind` is a scalar's name, or the Message or list of enum words that it holds."""

    def __init__(self, name, kind, label, number, comment):
        self.name, self.kind, self.repeated = name, kind, label == 'repeated'
        self.number, self.comment = number, comment

    @property
    def is_message(self):
        return isinstance(self.kind, Message)


class Message:
    def __init__(self, name):
        self.name, self.fields = name, {}


class Schema:
    """`messages` by name; nested ones and enums are found as OUTER.INNER."""

    def __init__(self, text):
        self.messages, self.enums = {}, {}
        self._pending = []
        self._tokens = self._tokenize(text)
        self._at = 0
        while self._at < len(self._tokens):
            word = self._take()
            if word == 'message':
                self._read_message('')
            elif word == 'enum':
                self._read_enum('')
            else:
                self._skip_statement()
        for field, kind, scope in self._pending:
            field.kind = self._resolve(kind, scope)

    def options_of_type(self):
        """{layer type: its field of LayerParameter}, as the comments tell."""
        found = {}
        for field in self.messages['LayerParameter'].fields.values():
            match = re.match(r' ?Settings of ([^.:]+)', field.comment)
            for name in re.split(r', | and ', match.group(1)) if match else []:
                found[name.strip()] = field
        return found

    @staticmethod
    def _tokenize(text):
        """Words and signs; a comment is a list of its lines."""
        tokens = []
        for match in TOKEN.finditer(text):
            if match.group(1) is None:
                tokens.append(match.group(0))
            elif tokens and isinstance(tokens[-1], list):
                tokens[-1].append(match.group(1))
            else:
                tokens.append([match.group(1)])
        return tokens

    def _take(self):
        """The next word; the comment before it is kept in self._comment."""
        self._comment = ''
        while self._at < len(self._tokens):
            token = self._tokens[self._at]
            self._at += 1
            if isinstance(token, str):
                return token
            self._comment = ''.join(token)
        return ''

    def _skip_statement(self):
        while self._take() not in (';', ''):
            pass

    def _read_enum(self, scope):
        name, words = scope + self._take(), []
        self._take()
        while (word := self._take()) != '}':
            words.append(word)
            self._skip_statement()
        self.enums[name] = words

    def _read_message(self, scope):
        message = Message(scope + self._take())
        self.messages[message.name] = message
        self._take()
        while (word := self._take()) != '}':
            if word == 'message':
                self._read_message(message.name + '.')
            elif word == 'enum':
                self._read_enum(message.name + '.')
            elif word in ('optional', 'repeated', 'required'):
                self._read_field(word, message)
            else:
                self._skip_statement()

    def _read_field(self, label, message):
        comment = self._comment
        kind, name = self._take(), self._take()
        self._take()
        field = Field(name, kind, label, int(self._take()), comment)
        self._skip_statement()
        message.fields[name] = field
        if kind not in SCALARS:
            self._pending.append((field, kind, message.name))

    def _resolve(self, kind, scope):
        while True:
            full = f'{scope}.{kind}' if scope else kind
            if full in self.messages:
                return self.messages[full]
            if full in self.enums:
                return self.enums[full]
            if not scope:
                raise ValueError(f'the schema does not define {kind}')
            scope = scope.rpartition('.')[0]
