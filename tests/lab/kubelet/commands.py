# SPDX-FileCopyrightText: ai_aas.inference contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a container runs here: the stand-in server, its own command, or nothing. Pure."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any, NamedTuple

from tests.lab.kubelet.env import expand

Json = dict[str, Any]

SHELLS = ("sh", "bash", "dash", "ash")
OPERATORS = frozenset(";&|()<>")
TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
DEFAULT_PORT = 8000
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "::1")


class Program(NamedTuple):
    """What to start for a container."""

    words: list[str] | None
    """None: nothing runs here."""
    is_vllm: bool = False
    finishes: bool = False
    """Without words: it ends well at once instead of running for ever."""


def choose_program(
    container: Json, env: Mapping[str, str], finishes: bool, which: Callable[[str], str | None]
) -> Program:
    """Decide by the rule in this package's description. `finishes`: the pod, or the init container, is meant to end."""
    if is_vllm(container):
        return Program(vllm_arguments(container, env), is_vllm=True)
    command = [expand(word, env) for word in [*container.get("command", []), *container.get("args", [])]]
    if finishes and container.get("command") and which(command[0]) and not has_volumes(container):
        return Program(command)
    return Program(None, finishes=finishes)


def is_vllm(container: Json) -> bool:
    """Whether a container serves a model."""
    if find_vllm(words_of(container, {})) is not None:
        return True
    return not container.get("command") and "vllm" in image_name(container.get("image", ""))


def image_name(image: str) -> str:
    """The repository without registry, tag and digest."""
    head, _unused, rest = image.partition("@")[0].rpartition("/")
    first, slash, tail = head.partition("/")
    path = tail if "." in first or ":" in first or first == "localhost" else first + slash + tail
    return f"{path}/{rest.partition(':')[0]}"


def has_volumes(container: Json) -> bool:
    """Whether files are mounted that this machine does not have."""
    return any(mount["mountPath"] != TOKEN_PATH for mount in container.get("volumeMounts", []))


def words_of(container: Json, env: Mapping[str, str]) -> list[str]:
    """Command and arguments; a shell's script is taken apart."""
    words = [expand(word, env) for word in [*container.get("command", []), *container.get("args", [])]]
    if words and PurePosixPath(words[0]).name in SHELLS:
        for place, word in enumerate(words[1:], start=1):
            if re.fullmatch(r"-[a-z]*c[a-z]*", word):
                return [*words[:place], *split_script("\n".join(words[place + 1 : place + 2]), env)]
    return words


def split_script(script: str, env: Mapping[str, str]) -> list[str]:
    """A simple script's words, operators among them, with $NAME and ${NAME} replaced."""
    lexer = shlex.shlex(script.replace("\\\n", " ").replace("\n", " ; "), posix=True, punctuation_chars=True)
    lexer.whitespace_split = True

    def value(match: re.Match[str]) -> str:
        name, default = match["name"] or match["plain"], match["default"] or ""
        return env.get(name) or default

    variable = re.compile(r"\$(?:\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}|(?P<plain>[A-Za-z_]\w*))")
    try:
        return [variable.sub(value, word) for word in lexer]
    except ValueError:  # an open quote: whatever it is, it does not start vLLM
        return []


def find_vllm(words: Sequence[str]) -> int | None:
    """The place after the program `vllm` or the module `vllm.entrypoints.…`."""
    for place, word in enumerate(words):
        if PurePosixPath(word).name == "vllm" or re.fullmatch(r"vllm(\.\w+)+", word):
            return place + 1
    return None


def vllm_arguments(container: Json, env: Mapping[str, str]) -> list[str]:
    """The words after `vllm serve`; an image's own entry point is taken to be just that."""
    words = words_of(container, env)
    begin = find_vllm(words) or 0
    rest = words[begin:]
    if rest[:1] == ["serve"]:
        rest = rest[1:]
    if begin:
        end = next((place for place, word in enumerate(rest) if set(word) & OPERATORS == set(word) != set()), len(rest))
        rest = rest[:end]
    return rest


def option(words: Sequence[str], name: str) -> str | None:
    """The last value of an option, in either of its forms."""
    value = None
    for place, word in enumerate(words):
        if word == name and place + 1 < len(words):
            value = words[place + 1]
        elif word.startswith(name + "="):
            value = word.partition("=")[2]
    return value


def without_option(words: Sequence[str], name: str) -> list[str]:
    """The words without an option and its value."""
    kept: list[str] = []
    skip = False
    for word in words:
        if skip:
            skip = False
        elif word == name:
            skip = True
        elif not word.startswith(name + "="):
            kept.append(word)
    return kept


def own_port(words: Sequence[str]) -> int:
    """The port the server would listen on in its pod."""
    value = option(words, "--port") or ""
    return int(value) if value.isdigit() else DEFAULT_PORT


def is_reachable(words: Sequence[str]) -> bool:
    """Whether the server would listen on the pod's address, and not only inside the pod."""
    return option(words, "--host") not in LOOPBACK_NAMES


def place(words: Sequence[str], port: int) -> list[str]:
    """The same arguments for a port of this machine. A port that is no number is left to the server's parser."""
    if not (option(words, "--port") or "0").isdigit():
        return list(words)
    return [*without_option(without_option(words, "--host"), "--port"), "--host", "127.0.0.1", "--port", str(port)]


def substitute(text: str, ports: Mapping[int, int], pod_ip: str) -> str:
    """A hook's or probe's command with the pod's own addresses replaced by the real ones."""

    def real(match: re.Match[str]) -> str:
        port = int(match[1])
        return f"127.0.0.1:{ports[port]}" if port in ports else match[0]

    return re.sub(rf"(?<![\w.])(?:localhost|127\.0\.0\.1|{re.escape(pod_ip)}):(\d+)(?!\d)", real, text)
